package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/engramd/engramd/actuators"
)

// mayRollBack sees to it, before anything is taken back, that the template's resources are still ours
// to take back: a later choice of somebody else stays.
func (d *Driver) mayRollBack(ctx context.Context, j job, t template) error {
	_, now, err := j.templateOf(ctx, t)
	switch {
	case errors.Is(err, actuators.ErrNotFound):
		return nil
	case err != nil:
		return err
	case !now.have(t.Changes) && !now.have(t.Changes.back()):
		return t.superseded(now)
	}
	return nil
}

// templateBack gives our container its old resources back, their fields to those who had them, and
// waits until the pods follow. Whatever else was changed in the template stays.
func (d *Driver) templateBack(ctx context.Context, j job, t template) error {
	err := again(func() error { return j.writeBack(ctx, t) })
	if err == nil {
		err = j.watch(ctx, t, func(w workload) (bool, error) { return d.backInPlace(ctx, j, w, t) })
	}
	if errors.Is(err, actuators.ErrNotFound) {
		return nil // nothing is left to give it back to
	}
	if err != nil {
		return err
	}
	_, err = d.Reconcile(ctx, j.target) // back to what was committed before, where that was not in the template
	return err
}

// writeBack puts the template back, in values and owners.
func (j job) writeBack(ctx context.Context, t template) error {
	w, now, err := j.templateOf(ctx, t)
	switch {
	case err != nil:
		return err
	case now.have(t.Changes):
		if w, err = j.restore(ctx, w, t); err != nil {
			return err
		}
	case !now.have(t.Changes.back()):
		return t.superseded(now)
	}
	if w, err = j.returnFields(ctx, w, t); err != nil {
		return err
	}
	return j.disown(ctx, w, t)
}

// beforeFirstApply is what Kubernetes calls the manager of fields that were there before anybody kept
// account.
const beforeFirstApply = "before-first-apply"

// restore writes the old values in the name of who had the fields: a value that an update changes
// belongs to its manager from then on, and to nobody else. What was ours before is applied as ours.
func (j job) restore(ctx context.Context, w workload, t template) (workload, error) {
	others := slices.DeleteFunc(slices.Clone(t.Owners), func(o owner) bool { return o.Applies })
	if len(others) == 0 && len(t.Owners) > 0 {
		if err := j.cluster.apply(ctx, w, appliedBy(w, manager).with(t.Container, t.Changes.back())); err != nil {
			return w, err
		}
		return j.workload(ctx, t.Workload)
	}
	name := beforeFirstApply
	if len(others) > 0 { // rather who has made the lists than who has changed something in them
		name = others[max(0, slices.IndexFunc(others, func(o owner) bool { return o.Whole }))].Manager
	}
	patch := map[string]any{
		"metadata": map[string]any{"uid": w.UID, "resourceVersion": w.meta.ResourceVersion},
		"spec":     map[string]any{"template": resizePatch(t.Container, t.Changes.back())},
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return w, err
	}
	err = j.cluster.patch(ctx, w, types.StrategicMergePatchType, text, metav1.PatchOptions{FieldManager: name})
	if err != nil {
		return w, err
	}
	return j.workload(ctx, t.Workload)
}

// disown lets go of what an apply of ours has left among the managed fields, but for what was ours
// before. No value changes by that.
func (j job) disown(ctx context.Context, w workload, t template) error {
	if !applies(w, manager) {
		return nil
	}
	is := appliedBy(w, manager)
	rest := is.without(t.Container, t.Changes.back(), t.Owners)
	if _, stays := rest[t.Container]; stays == lists(w, manager, t.Container) && maps.EqualFunc(is, rest, maps.Equal) {
		return nil
	}
	return j.cluster.apply(ctx, w, rest)
}

// lists reports whether the container is among what manager applies, be it by its name alone.
func lists(w workload, manager, container string) bool {
	return slices.ContainsFunc(w.meta.ManagedFields, func(e metav1.ManagedFieldsEntry) bool {
		var root fieldSet
		if e.Manager != manager || e.Operation != metav1.ManagedFieldsOperationApply || e.FieldsV1 == nil || json.Unmarshal(e.FieldsV1.GetRawBytes(), &root) != nil {
			return false
		}
		return root.at("f:spec", "f:template", "f:spec", "f:containers", key(container)) != nil
	})
}

// applies reports whether manager has applied anything to w.
func applies(w workload, manager string) bool {
	return slices.ContainsFunc(w.meta.ManagedFields, func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == manager && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == ""
	})
}

// backInPlace reports whether the pods follow the template again. It does not wait for their health:
// they may have been ill before. A pod in which an ordered StatefulSet is stuck is deleted, because
// the set waits for it to become well before it replaces it, and it never will.
func (d *Driver) backInPlace(ctx context.Context, j job, w workload, t template) (bool, error) {
	if now := settingsOfTemplate(w, t.Container); !now.have(t.Changes.back()) {
		return false, t.superseded(now)
	}
	if !w.rollout.seen {
		return false, nil
	}
	if w.rollout.settled {
		return true, nil
	}
	pods, err := j.cluster.pods(ctx, w)
	if err != nil {
		return false, err
	}
	if w.rollout.ordered {
		return false, d.unstick(ctx, j, w, pods)
	}
	if w.rollout.mixed() || len(pods) < w.rollout.wanted {
		return false, nil
	}
	return !slices.ContainsFunc(pods, func(p corev1.Pod) bool { return !running(p, t.Container) }), nil
}

// unstick deletes the pods of the taken-back template that do not become ready.
func (d *Driver) unstick(ctx context.Context, j job, w workload, pods []corev1.Pod) error {
	for _, p := range pods {
		if p.Labels[revisionLabel] == w.rollout.revision || ready(p) {
			continue
		}
		d.log.Info("stuck pod deleted", "pod", p.Name, "namespace", p.Namespace)
		err := j.cluster.api.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{
			Preconditions: metav1.NewUIDPreconditions(string(p.UID)),
		})
		if err != nil && !apierrors.IsNotFound(err) {
			return fault(fmt.Sprintf("delete pod %s, in which %s is stuck", p.Name, w.ref), err)
		}
	}
	return nil
}

// revisionLabel tells which template a pod of a StatefulSet was made from.
const revisionLabel = "controller-revision-hash"
