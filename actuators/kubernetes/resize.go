package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/engramd/engramd/actuators"
)

// resize is the change of one pod's container.
type resize struct {
	Workload  ref       `json:"workload"`
	Pod       string    `json:"pod"`
	UID       types.UID `json:"uid"`
	Container string    `json:"container"`
	Changes   changes   `json:"changes"`
	// Template is what the template said of the same resources.
	Template settings `json:"template"`
	// Restarts says that the pod's resizePolicy restarts the container.
	Restarts bool `json:"restarts,omitempty"`
}

// How often the API server is asked whether a resize has come into effect, and for how long before the
// executor is asked to try again.
const (
	lookEvery = 300 * time.Millisecond
	lookFor   = 45 * time.Second
)

// resize gives the pod its new size and waits until the kubelet shows it. Where the pod is gone, those
// that came in its place get the size.
func (d *Driver) resize(ctx context.Context, j job, r resize) error {
	return again(func() error { return d.resizeOnce(ctx, j, r) })
}

func (d *Driver) resizeOnce(ctx context.Context, j job, r resize) error {
	p, err := j.pod(ctx, r)
	if errors.Is(err, errReplaced) {
		return d.resizeSuccessors(ctx, j, r)
	}
	if err != nil {
		return err
	}
	return d.resizePod(ctx, j, p, r)
}

func (d *Driver) resizePod(ctx context.Context, j job, p corev1.Pod, r resize) error {
	now, err := settingsIn(p, r.Container)
	if err != nil {
		return err
	}
	for res, c := range r.Changes {
		if !now[res].same(res, c.From) && !now[res].same(res, c.To) {
			return fmt.Errorf("%w: the %s of pod %s is %s, neither %s nor %s: somebody else changed it; decide again",
				actuators.ErrRefused, res, r.Pod, now[res], c.From, c.To)
		}
	}
	if r.Restarts && !now.have(r.Changes) {
		if err := j.mayDisrupt(ctx, p); err != nil {
			return err
		}
	}
	if !now.have(r.Changes) {
		if err := d.room(ctx, j, p, r); err != nil {
			return err
		}
	}
	err = d.settle(ctx, j, p, r)
	if errors.Is(err, errReplaced) {
		return d.resizeSuccessors(ctx, j, r)
	}
	return err
}

// resizeBack gives the pod its old size back, if it has the new one: what somebody else has set since
// stays. Nothing is left to undo on a pod that is gone; of those that came in its place, what has our
// new size gets the old one.
func (d *Driver) resizeBack(ctx context.Context, j job, r resize) error {
	return again(func() error { return d.resizeBackOnce(ctx, j, r) })
}

func (d *Driver) resizeBackOnce(ctx context.Context, j job, r resize) error {
	back := r
	back.Changes = r.Changes.back()
	p, err := j.pod(ctx, r)
	switch {
	case errors.Is(err, errReplaced):
		return d.resizeSuccessors(ctx, j, back)
	case errors.Is(err, actuators.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	now, err := settingsIn(p, r.Container)
	if err != nil {
		return err
	}
	if !now.have(r.Changes) && !now.have(back.Changes) {
		d.log.Warn("pod not given its old size back: somebody else has changed it", "pod", r.Pod, "changes", back.Changes.String())
		return nil
	}
	err = d.settle(ctx, j, p, back)
	if errors.Is(err, errReplaced) || errors.Is(err, actuators.ErrNotFound) {
		return nil
	}
	return err
}

// resizeSuccessors gives the size to the pods which came in the place of one that is gone: they have
// what the template says, or what the one before them had. Pods of other steps, which get the size
// anyway, may get it here.
func (d *Driver) resizeSuccessors(ctx context.Context, j job, r resize) error {
	w, err := j.workload(ctx, r.Workload)
	if errors.Is(err, actuators.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	pods, err := j.cluster.pods(ctx, w)
	if err != nil {
		return err
	}
	for _, p := range pods {
		now, err := settingsIn(p, r.Container)
		if err != nil {
			return err
		}
		if !now.have(r.Changes) && !r.before(now) {
			continue // somebody else's choice
		}
		if !running(p, r.Container) {
			return fmt.Errorf("%w: pod %s has come in the place of one that is gone, and does not run yet", actuators.ErrTransient, p.Name)
		}
		next := r
		next.Pod, next.UID = p.Name, p.UID
		if err := d.settle(ctx, j, p, next); err != nil && !errors.Is(err, errReplaced) {
			return err
		}
	}
	return nil
}

// before reports whether a container has what it had before, or what the template says.
func (r resize) before(now settings) bool {
	for res, c := range r.Changes {
		if !now[res].same(res, c.From) && !now[res].same(res, r.Template[res]) {
			return false
		}
	}
	return true
}

// settle patches the pod, unless it has the size already, and waits until that has taken effect.
func (d *Driver) settle(ctx context.Context, j job, p corev1.Pod, r resize) error {
	err := j.patchPod(ctx, p, r)
	if err == nil {
		err = j.await(ctx, r)
	}
	if never, ok := errors.AsType[infeasible](err); ok {
		d.giveUp(j.target.Name, j.spec, r.Changes, string(never))
	}
	return err
}

// errReplaced says that the pod is gone for good; others have come or will come in its place.
var errReplaced = errors.New("the pod is gone")

// pod reads the pod that r is for. It wraps errReplaced where that one is gone.
func (j job) pod(ctx context.Context, r resize) (corev1.Pod, error) {
	p, err := j.cluster.api.CoreV1().Pods(r.Workload.Namespace).Get(ctx, r.Pod, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) && r.Workload.Kind == kindPod:
		return corev1.Pod{}, fault("read pod "+r.Pod, err)
	case apierrors.IsNotFound(err):
		return corev1.Pod{}, errReplaced
	case err != nil:
		return corev1.Pod{}, fault("read pod "+r.Pod, err)
	case p.UID != r.UID || ended(*p):
		if r.Workload.Kind == kindPod {
			return corev1.Pod{}, fmt.Errorf("%w: pod %s is another one by now", actuators.ErrNotFound, r.Pod)
		}
		return corev1.Pod{}, errReplaced
	}
	return *p, nil
}

// beyondNode is how an API server, which from 1.36 on knows what a node can hold, says what the kubelet
// calls infeasible.
const beyondNode = "node didn't have enough allocatable resources"

// patchPod tells the API server the pod's new size.
func (j job) patchPod(ctx context.Context, p corev1.Pod, r resize) error {
	now, err := settingsIn(p, r.Container)
	if err != nil || now.have(r.Changes) {
		return err
	}
	doing := fmt.Sprintf("resize pod %s: %s", p.Name, r.Changes)
	patch := resizePatch(r.Container, r.Changes)
	patch["metadata"] = map[string]any{"uid": string(p.UID), "resourceVersion": p.ResourceVersion}
	text, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = j.cluster.api.CoreV1().Pods(p.Namespace).Patch(ctx, p.Name, types.StrategicMergePatchType, text,
		metav1.PatchOptions{FieldManager: manager}, "resize")
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), beyondNode) {
		return fmt.Errorf("%s: %w", doing, infeasible(err.Error()))
	}
	if apierrors.IsNotFound(err) {
		if _, gone := j.pod(ctx, r); gone != nil {
			return gone
		}
		return fmt.Errorf("%w: %s: this API server has no pods/resize: Kubernetes 1.33 or newer is needed, or apply: restart", actuators.ErrRefused, doing)
	}
	return fault(doing, err)
}

// resizePatch is the patch that a person would give kubectl.
func resizePatch(container string, c changes) map[string]any {
	return map[string]any{"spec": map[string]any{"containers": []any{
		map[string]any{"name": container, "resources": c.tree()},
	}}}
}

// tree is what the changes set, as a patch writes it.
func (c changes) tree() map[string]any {
	all := make(map[string]any)
	for res, one := range c {
		for of, values := range one.To.tree(res) {
			list, ok := all[of].(map[string]any)
			if !ok {
				list = make(map[string]any)
				all[of] = list
			}
			maps.Copy(list, values.(map[string]any))
		}
	}
	return all
}

// have reports whether s is what the changes lead to.
func (s settings) have(c changes) bool {
	for res, one := range c {
		if !s[res].same(res, one.To) {
			return false
		}
	}
	return true
}

// settingsIn are what the pod's spec gives the container.
func settingsIn(p corev1.Pod, name string) (settings, error) {
	c, err := container(&p.Spec, name)
	if err != nil {
		return nil, fmt.Errorf("pod %s: %w", p.Name, err)
	}
	return settingsOf(c.Resources), nil
}

func running(p corev1.Pod, name string) bool {
	s := statusOf(p, name)
	return s != nil && s.State.Running != nil
}
