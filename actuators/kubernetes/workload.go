package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/engramd/engramd/actuators"
)

// The kinds of workloads. Of a sidecar the workload is its own pod.
const (
	kindDeployment  = "Deployment"
	kindStatefulSet = "StatefulSet"
	kindDaemonSet   = "DaemonSet"
	kindPod         = "Pod"
)

// A ref names one workload as it is in steps. The same name may be another object later, the same UID
// may not.
type ref struct {
	Kind      string    `json:"kind"`
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	UID       types.UID `json:"uid"`
}

func (r ref) String() string { return fmt.Sprintf("%s %s/%s", r.Kind, r.Namespace, r.Name) }

// A workload is what a target is, as the API shows it now.
type workload struct {
	ref
	meta     metav1.ObjectMeta
	template corev1.PodTemplateSpec
	selector *metav1.LabelSelector // nil of a single pod
	rollout  rollout
	pod      *corev1.Pod // itself, where the workload is a single pod
}

// workload reads the target's workload. It wraps ErrNotFound.
func (c *cluster) workload(ctx context.Context, spec Spec) (workload, error) {
	doing := fmt.Sprintf("read %s %s/%s", spec.kind(), spec.Namespace, spec.name())
	switch spec.kind() {
	case kindDeployment:
		o, err := c.api.AppsV1().Deployments(spec.Namespace).Get(ctx, spec.name(), metav1.GetOptions{})
		if err != nil {
			return workload{}, fault(doing, err)
		}
		return deployment(o), nil
	case kindStatefulSet:
		o, err := c.api.AppsV1().StatefulSets(spec.Namespace).Get(ctx, spec.name(), metav1.GetOptions{})
		if err != nil {
			return workload{}, fault(doing, err)
		}
		return statefulSet(o), nil
	case kindDaemonSet:
		o, err := c.api.AppsV1().DaemonSets(spec.Namespace).Get(ctx, spec.name(), metav1.GetOptions{})
		if err != nil {
			return workload{}, fault(doing, err)
		}
		return daemonSet(o), nil
	}
	return c.self(ctx, spec)
}

// self reads the pod that this process runs in.
func (c *cluster) self(ctx context.Context, spec Spec) (workload, error) {
	name, err := ownPod()
	if err != nil {
		return workload{}, err
	}
	p, err := c.api.CoreV1().Pods(spec.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return workload{}, fault(fmt.Sprintf("read the pod %s/%s that this is", spec.Namespace, name), err)
	}
	w := workload{ref: refOf(kindPod, p.ObjectMeta), meta: p.ObjectMeta, pod: p}
	w.template.Spec = p.Spec
	return w, nil
}

func deployment(o *appsv1.Deployment) workload {
	return workload{
		ref: refOf(kindDeployment, o.ObjectMeta), meta: o.ObjectMeta,
		template: o.Spec.Template, selector: o.Spec.Selector, rollout: deploymentRollout(o),
	}
}

func statefulSet(o *appsv1.StatefulSet) workload {
	return workload{
		ref: refOf(kindStatefulSet, o.ObjectMeta), meta: o.ObjectMeta,
		template: o.Spec.Template, selector: o.Spec.Selector, rollout: statefulSetRollout(o),
	}
}

func daemonSet(o *appsv1.DaemonSet) workload {
	return workload{
		ref: refOf(kindDaemonSet, o.ObjectMeta), meta: o.ObjectMeta,
		template: o.Spec.Template, selector: o.Spec.Selector, rollout: daemonSetRollout(o),
	}
}

func refOf(kind string, m metav1.ObjectMeta) ref {
	return ref{Kind: kind, Namespace: m.Namespace, Name: m.Name, UID: m.UID}
}

// pods lists the workload's pods that are there to stay, by name: those that end or have ended are
// not parts of the target any more.
func (c *cluster) pods(ctx context.Context, w workload) ([]corev1.Pod, error) {
	all, err := c.allPods(ctx, w)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, ended), nil
}

func ended(p corev1.Pod) bool {
	return p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// allPods lists every pod that the workload owns, by name. The selector alone would not do: others may
// have the same labels.
func (c *cluster) allPods(ctx context.Context, w workload) ([]corev1.Pod, error) {
	if w.pod != nil {
		return []corev1.Pod{*w.pod}, nil
	}
	labels, err := metav1.LabelSelectorAsSelector(w.selector)
	if err != nil {
		return nil, fmt.Errorf("%w: selector of %s: %w", actuators.ErrRefused, w.ref, err)
	}
	opts := metav1.ListOptions{LabelSelector: labels.String()}
	owners := map[types.UID]bool{w.UID: true}
	if w.Kind == kindDeployment {
		sets, err := c.api.AppsV1().ReplicaSets(w.Namespace).List(ctx, opts)
		if err != nil {
			return nil, fault(fmt.Sprintf("list the ReplicaSets of %s", w.ref), err)
		}
		owners = make(map[types.UID]bool)
		for _, s := range sets.Items {
			if by := metav1.GetControllerOf(&s); by != nil && by.UID == w.UID {
				owners[s.UID] = true
			}
		}
	}
	list, err := c.api.CoreV1().Pods(w.Namespace).List(ctx, opts)
	if err != nil {
		return nil, fault(fmt.Sprintf("list the pods of %s", w.ref), err)
	}
	own := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool {
		by := metav1.GetControllerOf(&p)
		return by == nil || !owners[by.UID]
	})
	slices.SortFunc(own, func(a, b corev1.Pod) int { return byOrdinal(a.Name, b.Name) })
	return own, nil
}

// byOrdinal sorts web-10 after web-9.
func byOrdinal(a, b string) int {
	x, xok := ordinal(a)
	y, yok := ordinal(b)
	if xok && yok && x != y {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a, b)
}

func ordinal(name string) (int, bool) {
	i := len(name)
	for i > 0 && name[i-1] >= '0' && name[i-1] <= '9' {
		i--
	}
	n, err := strconv.Atoi(name[i:])
	return n, err == nil && i > 0 && name[i-1] == '-'
}

// containerOf is the name of the target's container. One that the target names need not be in the template
// (any more).
func (w workload) containerOf(spec Spec) (string, error) {
	if spec.Container != "" {
		return spec.Container, nil
	}
	only, err := container(&w.template.Spec, "")
	if err != nil {
		return "", err
	}
	return only.Name, nil
}

// container finds the target's container by its name, or the only one.
func container(spec *corev1.PodSpec, name string) (*corev1.Container, error) {
	if name == "" && len(spec.Containers) == 1 {
		return &spec.Containers[0], nil
	}
	var names []string
	for i, c := range spec.Containers {
		if c.Name == name {
			return &spec.Containers[i], nil
		}
		names = append(names, c.Name)
	}
	if name == "" {
		return nil, fmt.Errorf("%w: the pod has several containers: set container to one of %q", actuators.ErrRefused, names)
	}
	return nil, fmt.Errorf("%w: the pod has no container %s, but %q", actuators.ErrNotFound, name, names)
}
