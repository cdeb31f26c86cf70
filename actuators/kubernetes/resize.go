package kubernetes

import (
	"context"
	"errors"
	"fmt"
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

// settle patches the pod, unless it has the size already, and waits until that has taken effect.
func (d *Driver) settle(ctx context.Context, j job, p corev1.Pod, r resize) error {
	err := d.room(ctx, j, p, r)
	if err == nil {
		err = j.patchPod(ctx, p, r)
	}
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
