package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/engramd/engramd/actuators"
)

// template is the change of our container in a workload's template, and of nothing else there.
type template struct {
	Workload  ref     `json:"workload"`
	Container string  `json:"container"`
	Changes   changes `json:"changes"`
	// Owners had the fields before us; an undo gives them back.
	Owners []owner `json:"owners,omitempty"`
	// Pods is how many pods must be new and available; only of the steps that wait.
	Pods int `json:"pods,omitempty"`
}

// rolloutFor bounds one look at a rollout; the executor looks again, so that a pod has some 200 s to
// become available. The target's stop timeout is added to each look, since every pod of a rollout may
// take that long to end: who starts slowly sets a longer one.
const (
	rolloutFor   = 100 * time.Second
	rolloutEvery = 500 * time.Millisecond
)

// applyTemplate writes the new resources into the template. The controllers do the rest.
func (d *Driver) applyTemplate(ctx context.Context, j job, t template) error {
	return again(func() error { return j.applyOnce(ctx, t) })
}

func (j job) applyOnce(ctx context.Context, t template) error {
	w, now, err := j.templateOf(ctx, t)
	if err != nil {
		return err
	}
	switch {
	case now.have(t.Changes):
		return nil
	case !now.have(t.Changes.back()):
		return t.superseded(now)
	}
	for _, o := range ownersOf(w.meta.ManagedFields, t.Container) {
		if _, changed := t.Changes[o.Resource]; changed && o.Applies && o.Manager != manager {
			return fmt.Errorf("%w: the %s of the template of %s belongs to %s, which applies its own value again: change it there",
				actuators.ErrRefused, o.Resource, t.Workload, o.Manager)
		}
	}
	return j.cluster.apply(ctx, w, appliedBy(w, manager).with(t.Container, t.Changes))
}

// templateOf reads the workload that t is for, and what its template says of our container.
func (j job) templateOf(ctx context.Context, t template) (workload, settings, error) {
	w, err := j.workload(ctx, t.Workload)
	if err != nil {
		return w, nil, err
	}
	c, err := container(&w.template.Spec, t.Container)
	if err != nil {
		return w, nil, fmt.Errorf("%s: %w", t.Workload, err)
	}
	return w, settingsOf(c.Resources), nil
}

// workload reads the workload that a step is for. It wraps ErrNotFound where that one is gone, be
// there another of its name or not.
func (j job) workload(ctx context.Context, r ref) (workload, error) {
	spec := j.spec
	spec.Namespace = r.Namespace
	w, err := j.cluster.workload(ctx, spec)
	if err != nil {
		return w, err
	}
	if w.ref != r {
		return w, fmt.Errorf("%w: %s was replaced by another of its name, or is no longer what the target names: decide again", actuators.ErrNotFound, r)
	}
	return w, nil
}

func (t template) superseded(now settings) error {
	for res, c := range t.Changes {
		if !now[res].same(res, c.From) && !now[res].same(res, c.To) {
			return fmt.Errorf("%w: the template of %s says %s for the %s of %s, neither %s nor %s: somebody else changed it, and that stays",
				actuators.ErrRefused, t.Workload, now[res], res, t.Container, c.From, c.To)
		}
	}
	return fmt.Errorf("%w: the template of %s was changed half-way by somebody else", actuators.ErrRefused, t.Workload)
}

// awaitRollout waits until so many pods are new and available.
func (d *Driver) awaitRollout(ctx context.Context, j job, t template) error {
	return j.watch(ctx, t, func(w workload) (done bool, err error) {
		if now := settingsOfTemplate(w, t.Container); !now.have(t.Changes) {
			return false, t.superseded(now)
		}
		r := w.rollout
		if !r.seen {
			return false, nil
		}
		if r.failed != "" {
			return false, fmt.Errorf("the rollout of %s failed: %s (%s)", t.Workload, r.failed, r)
		}
		if r.settled || t.Pods < r.wanted && r.available >= t.Pods {
			return true, nil
		}
		pods, err := j.cluster.pods(ctx, w)
		if err != nil {
			return false, err
		}
		return false, t.crashing(pods)
	})
}

// crashes is how often a new pod may crash on its start before the rollout counts as failed.
const crashes = 3

// crashing says which new pod cannot start, so that nobody waits for it.
func (t template) crashing(pods []corev1.Pod) error {
	for _, p := range pods {
		now, err := settingsIn(p, t.Container)
		s := statusOf(p, t.Container)
		if err != nil || s == nil || !now.have(t.Changes) || s.State.Waiting == nil || s.RestartCount < crashes {
			continue
		}
		why := s.State.Waiting.Reason
		if last := s.LastTerminationState.Terminated; last != nil {
			why = fmt.Sprintf("%s, exit code %d", last.Reason, last.ExitCode)
		}
		return fmt.Errorf("the new pod %s crashed %d times (%s)", p.Name, s.RestartCount, why)
	}
	return nil
}

// watch looks at the workload until done, and asks for another try when that takes long. Only our own
// clock bounds it.
func (j job) watch(ctx context.Context, t template, look func(workload) (done bool, err error)) error {
	began := time.Now()
	var waits error // what was seen last
	for {
		w, err := j.workload(ctx, t.Workload)
		done := false
		if err == nil {
			done, err = look(w)
		}
		switch {
		case err != nil && ctx.Err() != nil && waits != nil:
			return waits
		case done || err != nil:
			return err
		}
		waits = fmt.Errorf("%w: rollout of %s: %s", actuators.ErrTransient, t.Workload, w.rollout)
		if time.Since(began) > rolloutFor+j.target.StopTimeout {
			return waits
		}
		if err := sleep(ctx, rolloutEvery); err != nil {
			return errors.Join(waits, err)
		}
	}
}

func settingsOfTemplate(w workload, name string) settings {
	c, err := container(&w.template.Spec, name)
	if err != nil {
		return nil
	}
	return settingsOf(c.Resources)
}
