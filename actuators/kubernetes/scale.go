package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// A scaling is the change of a workload's number of pods.
type scaling struct {
	Workload ref   `json:"workload"`
	From     int32 `json:"from"`
	To       int32 `json:"to"`
}

// maxPods bounds what a number of pods can be.
const maxPods = 1 << 31

// showPods adds the number of pods to a part: each of them has the same. A pod of its own, and one on
// each node, has none to change.
func showPods(part *actuators.Part, w workload) {
	if !scales(w.Kind) {
		return
	}
	part.Configured[policy.Replicas] = policy.Amount(int64(w.rollout.wanted))
	if w.rollout.seen {
		part.Effective[policy.Replicas] = policy.Amount(int64(w.rollout.total))
	}
}

func scales(kind string) bool { return kind == kindDeployment || kind == kindStatefulSet }

// planScale plans another number of pods.
func planScale(f pod, to policy.Quantity) (actuators.Plan, error) {
	refuse := func(format string, args ...any) (actuators.Plan, error) {
		return actuators.Plan{}, fmt.Errorf("%w: "+format, append([]any{actuators.ErrRefused}, args...)...)
	}
	now, known := f.part.Configured[policy.Replicas].Amount()
	n, limited := to.Amount()
	switch {
	case f.Workload.Kind == kindDaemonSet:
		return refuse("%s has a pod on each node: its number follows the nodes", f.Workload)
	case !scales(f.Workload.Kind):
		return refuse("%s is one pod: give the target its Deployment or StatefulSet to change their number", f.Workload)
	case !known || !limited || n < 1 || n >= maxPods:
		return refuse("%s cannot have %s pods: want a number from 1 (with none left, nothing would show when they are needed again)", f.Workload, policy.Replicas.Format(to))
	case f.Rules.Replicas != "":
		return refuse("the HorizontalPodAutoscaler %s decides how many pods %s has: change its minReplicas and maxReplicas, or delete it", f.Rules.Replicas, f.Workload)
	case slices.Contains(f.Rules.Hidden, hpaKind):
		return refuse("whether a HorizontalPodAutoscaler decides how many pods %s has cannot be seen: grant engramd list on %s", f.Workload, hpaKind)
	case f.Rolling != "":
		return refuse("a rollout of %s is under way (%s): wait for its end", f.Workload, f.Rolling)
	}
	s := scaling{Workload: f.Workload, From: int32(now), To: int32(n)}
	plan := actuators.Plan{
		Strategy: policy.Live,
		Steps: []actuators.Step{{
			Kind: stepScale, Args: actuators.Encode(s), Text: fmt.Sprintf("scale %s from %d to %d pods", s.Workload, s.From, s.To),
			UndoText: fmt.Sprintf("scale %s from %d to %d pods", s.Workload, s.To, s.From),
		}},
		Command: fmt.Sprintf("kubectl -n %s scale %s %s --current-replicas=%d --replicas=%d",
			f.Namespace, strings.ToLower(s.Workload.Kind), s.Workload.Name, s.From, s.To),
	}
	if s.To < s.From {
		plan.Notes = append(plan.Notes, "the pods that are deleted end whatever they were doing")
	}
	return plan, nil
}

// A scaler is a typed client's way to /scale.
type scaler interface {
	GetScale(ctx context.Context, name string, opts metav1.GetOptions) (*autoscalingv1.Scale, error)
	UpdateScale(ctx context.Context, name string, scale *autoscalingv1.Scale, opts metav1.UpdateOptions) (*autoscalingv1.Scale, error)
}

func (c *cluster) scaler(r ref) scaler {
	if r.Kind == kindStatefulSet {
		return c.api.AppsV1().StatefulSets(r.Namespace)
	}
	return c.api.AppsV1().Deployments(r.Namespace)
}

// scale changes the number of pods and waits until there are so many, ready or not.
func (d *Driver) scale(ctx context.Context, j job, s scaling) error {
	w, err := j.cluster.workload(ctx, j.spec)
	if err != nil {
		return err
	}
	if w.ref != s.Workload {
		return fmt.Errorf("%w: %s is another one by now: decide again", actuators.ErrRefused, s.Workload)
	}
	r, err := j.cluster.rules(ctx, w)
	if err != nil {
		return err
	}
	if r.Replicas != "" {
		return fmt.Errorf("%w: the HorizontalPodAutoscaler %s decides by now how many pods %s has", actuators.ErrRefused, r.Replicas, s.Workload)
	}
	return j.scaleTo(ctx, s.Workload, s.From, s.To, func(now int32) error {
		return fmt.Errorf("%w: %s has %d pods, neither %d nor %d: somebody else scaled it; decide again", actuators.ErrRefused, s.Workload, now, s.From, s.To)
	})
}

// scaleBack gives the old number back, if the workload has the new one: what somebody else has chosen
// since stays.
func (d *Driver) scaleBack(ctx context.Context, j job, s scaling) error {
	err := j.scaleTo(ctx, s.Workload, s.To, s.From, func(int32) error { return nil })
	if isGone(err) {
		return nil // and its pods with it
	}
	return err
}

func (j job) scaleTo(ctx context.Context, r ref, from, to int32, other func(now int32) error) error {
	api := j.cluster.scaler(r)
	s, err := api.GetScale(ctx, r.Name, metav1.GetOptions{})
	if err != nil {
		return fault("read the scale of "+r.String(), err)
	}
	switch {
	case s.UID != r.UID:
		return errAnother
	case s.Spec.Replicas != from && s.Spec.Replicas != to:
		return other(s.Spec.Replicas)
	case s.Spec.Replicas == from && from != to:
		s.Spec.Replicas = to // with the resourceVersion that was read: nobody's change in between is lost
		if _, err = api.UpdateScale(ctx, r.Name, s, metav1.UpdateOptions{FieldManager: manager}); err != nil {
			return fault(fmt.Sprintf("scale %s to %d pods", r, to), err)
		}
	}
	return j.awaitPods(ctx, r, to)
}

// errAnother says that the workload was deleted and made again.
var errAnother = fmt.Errorf("%w: it was deleted, and another has its name", actuators.ErrNotFound)

// awaitPods waits until there are n pods. It wraps ErrTransient while that may still come.
func (j job) awaitPods(ctx context.Context, r ref, n int32) error {
	began := time.Now()
	for {
		s, err := j.cluster.scaler(r).GetScale(ctx, r.Name, metav1.GetOptions{})
		if err != nil {
			return fault("read the scale of "+r.String(), err)
		}
		if s.Status.Replicas == n || s.Spec.Replicas != n {
			return nil // what somebody else wants now shows when it is read back
		}
		waits := fmt.Errorf("%w: %s has %d of %d pods", actuators.ErrTransient, r, s.Status.Replicas, n)
		if time.Since(began) > lookFor {
			return j.explained(ctx, waits)
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return fmt.Errorf("%w: %w", waits, err)
		}
	}
}

// explained adds what the workload says itself of why it has no more pods.
func (j job) explained(ctx context.Context, waits error) error {
	w, err := j.cluster.workload(ctx, j.spec)
	switch {
	case err == nil && w.rollout.blocked != "":
		return fmt.Errorf("%w: %s", waits, w.rollout.blocked)
	case err == nil && w.rollout.ordered:
		return fmt.Errorf("%w: a StatefulSet waits until each pod is ready before it makes or deletes the next", waits)
	}
	return waits
}
