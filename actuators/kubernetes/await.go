package kubernetes

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// infeasible is the kubelet's word that it can never make a resize. It is an ErrRefused.
type infeasible string

func (e infeasible) Error() string {
	return "the kubelet cannot make this resize: " + string(e) + " (set infeasible: restart to let a rollout place the pods anew, or give the target a lower max)"
}

func (e infeasible) Is(target error) bool { return target == actuators.ErrRefused }

// await waits until the kubelet shows what the pod was told. It wraps ErrTransient while that may
// still come, and says what it waits for.
func (j job) await(ctx context.Context, r resize) error {
	began, waits := time.Now(), "" // what was seen last
	for {
		p, err := j.pod(ctx, r)
		if err != nil && ctx.Err() != nil && waits != "" {
			return fmt.Errorf("%w: pod %s: %s", actuators.ErrTransient, r.Pod, waits)
		}
		if err != nil {
			return err
		}
		if waits, err = r.progress(p); err != nil || waits == "" {
			return err
		}
		if time.Since(began) > lookFor {
			return fmt.Errorf("%w: pod %s: %s", actuators.ErrTransient, r.Pod, waits)
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return fmt.Errorf("%w: pod %s: %s: %w", actuators.ErrTransient, r.Pod, waits, err)
		}
	}
}

// progress says what a resized pod still waits for, "" for nothing.
func (r resize) progress(p corev1.Pod) (waits string, err error) {
	if p.Status.ObservedGeneration != 0 && p.Status.ObservedGeneration < p.Generation {
		return fmt.Sprintf("the kubelet of node %s has not seen the new size yet: is the node well?", p.Spec.NodeName), nil
	}
	for _, c := range p.Status.Conditions {
		if c.Status != corev1.ConditionTrue || c.ObservedGeneration != 0 && c.ObservedGeneration < p.Generation {
			continue
		}
		switch {
		case c.Type == corev1.PodResizePending && c.Reason == corev1.PodReasonInfeasible:
			return "", fmt.Errorf("pod %s: %w", r.Pod, infeasible(c.Message))
		case c.Type == corev1.PodResizePending:
			return "", fmt.Errorf("%w: pod %s: the kubelet puts the resize off (%s): %s", actuators.ErrTransient, r.Pod, c.Reason, c.Message)
		case c.Type == corev1.PodResizeInProgress && c.Reason == corev1.PodReasonError && r.Changes.shrink(policy.Memory):
			return "", fmt.Errorf("%w: pod %s: the kubelet does not take the memory away, of which it counts all that is in use, page cache too: %s", actuators.ErrRefused, r.Pod, c.Message)
		case c.Type == corev1.PodResizeInProgress && c.Reason == corev1.PodReasonError:
			return "", fmt.Errorf("pod %s: the kubelet could not make the resize: %s", r.Pod, c.Message)
		case c.Type == corev1.PodResizeInProgress:
			return "the kubelet is making the resize", nil
		}
	}
	status := statusOf(p, r.Container)
	if status == nil || status.Resources == nil {
		return "the kubelet shows no resources of the container yet", nil
	}
	shown := settingsOf(*status.Resources)
	for res, c := range r.Changes {
		if !shown[res].shows(res, c.To) {
			return fmt.Sprintf("%s shows %s, and was told %s", res, shown[res], c.To), nil
		}
	}
	if r.Restarts && (status.State.Running == nil || !ready(p)) {
		return "the restarted container is not ready yet", nil
	}
	return "", nil
}

// shows reports whether what the kubelet shows is what it was told, as it rounds.
func (s setting) shows(res policy.Resource, told setting) bool {
	close := func(shown, told string) bool {
		if told == "" {
			return true // the kubelet may fill in what nobody set
		}
		n, ok := units(res, shown)
		m, _ := units(res, told)
		return ok && actuators.Same(res, policy.Amount(n), policy.Amount(m))
	}
	return close(s.Limit, told.Limit) && close(s.Request, told.Request)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
