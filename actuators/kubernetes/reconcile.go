package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"

	"github.com/engramd/engramd/policy"
)

// Reconcile resizes the pods that have come since a size was committed, once they run, and takes away
// a note that is void because the template's resources were changed. It does not wait for the kubelet:
// the next call sees what has become of it.
func (d *Driver) Reconcile(ctx context.Context, t policy.Target) (done []string, err error) {
	spec, c, err := d.reach(t)
	if err != nil || spec.Self {
		return nil, err
	}
	w, err := c.workload(ctx, spec)
	if err != nil || paused(w) != "" {
		return nil, err
	}
	ours, err := container(&w.template.Spec, spec.Container)
	if err != nil {
		return nil, err
	}
	noted, template := committedOf(w, ours.Name), settingsOf(ours.Resources)
	valid := noted.valid(template)
	if _, ok := w.meta.Annotations[committedPrefix+ours.Name]; ok && len(valid) < max(1, len(noted)) {
		if err := c.annotate(ctx, w, ours.Name, valid); err != nil {
			return nil, err
		}
		done = append(done, fmt.Sprintf("the resources in the template of %s were changed, so the size committed before no longer holds", w.ref))
	}
	if len(valid) == 0 {
		return done, nil
	}
	resized, err := d.follow(ctx, job{target: t, spec: spec, cluster: c}, w, ours.Name, valid)
	return append(done, resized...), err
}

// follow resizes every pod that runs with what the template says. A pod with anything else was resized
// by somebody.
func (d *Driver) follow(ctx context.Context, j job, w workload, container string, c commitments) (done []string, err error) {
	pods, err := j.cluster.pods(ctx, w)
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, p := range pods {
		now, err := settingsIn(p, container)
		if err != nil {
			return done, err
		}
		r := resize{Workload: w.ref, Pod: p.Name, UID: p.UID, Container: container, Changes: c.wanting(now)}
		if len(r.Changes) == 0 {
			faults = append(faults, j.hopeless(p, container, now, c))
			continue
		}
		if !running(p, container) || r.disrupts(p) {
			continue
		}
		if err := j.patchPod(ctx, p, r); errors.Is(err, errReplaced) {
			continue
		} else if err != nil {
			faults = append(faults, err)
			continue
		}
		done = append(done, fmt.Sprintf("pod %s has come since: %s", p.Name, r.Changes))
	}
	return done, errors.Join(faults...)
}

// wanting are the changes of a container that still has what the template says, or was committed before.
func (c commitments) wanting(now settings) changes {
	all := make(changes)
	for res, one := range c {
		if now[res].same(res, one.Template) || one.Was != nil && now[res].same(res, *one.Was) {
			all[res] = change{From: now[res], To: one.Size}
		}
	}
	return all
}

// disrupts reports that the resize would restart the container: that is nothing to do by the way.
func (r resize) disrupts(p corev1.Pod) bool {
	c, err := container(&p.Spec, r.Container)
	if err != nil {
		return false
	}
	restarts := restarting(c)
	maps.DeleteFunc(restarts, func(res policy.Resource, _ bool) bool { _, ok := r.Changes[res]; return !ok })
	return len(restarts) > 0
}

// hopeless says that the kubelet will never give a later pod the committed size.
func (j job) hopeless(p corev1.Pod, container string, now settings, c commitments) error {
	all := make(changes)
	for res, one := range c {
		all[res] = change{From: one.Template, To: one.Size}
	}
	if !now.have(all) {
		return nil
	}
	_, err := resize{Pod: p.Name, Container: container, Changes: all}.progress(p)
	if _, ok := errors.AsType[infeasible](err); ok {
		return err
	}
	return nil
}
