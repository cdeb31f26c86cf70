package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// find lists the workloads of the namespace that the kubeconfig, or the pod, is in.
func find(ctx context.Context) ([]actuators.Found, error) {
	c, err := connect(where{})
	if err != nil {
		return nil, err
	}
	defer c.close()
	return c.find(ctx)
}

func (c *cluster) find(ctx context.Context) ([]actuators.Found, error) {
	var found []actuators.Found
	apps := c.api.AppsV1()
	deployments, err := apps.Deployments(c.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fault("list the Deployments of "+c.namespace, err)
	}
	for _, o := range deployments.Items {
		found = append(found, foundIn(o.ObjectMeta, o.Spec.Template, Spec{Deployment: o.Name})...)
	}
	sets, err := apps.StatefulSets(c.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fault("list the StatefulSets of "+c.namespace, err)
	}
	for _, o := range sets.Items {
		found = append(found, foundIn(o.ObjectMeta, o.Spec.Template, Spec{StatefulSet: o.Name})...)
	}
	daemons, err := apps.DaemonSets(c.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fault("list the DaemonSets of "+c.namespace, err)
	}
	for _, o := range daemons.Items {
		found = append(found, foundIn(o.ObjectMeta, o.Spec.Template, Spec{DaemonSet: o.Name})...)
	}
	slices.SortFunc(found, func(a, b actuators.Found) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// foundIn is each container of a template that has a size to change.
func foundIn(m metav1.ObjectMeta, t corev1.PodTemplateSpec, spec Spec) []actuators.Found {
	var found []actuators.Found
	for _, c := range t.Spec.Containers {
		now := settingsOf(c.Resources)
		one := spec
		one.Namespace, one.Container = m.Namespace, c.Name
		name := m.Name
		if len(t.Spec.Containers) > 1 {
			name += "-" + c.Name
		}
		note := fmt.Sprintf("%s, image %s, cpu %s, memory %s", one.kind(), c.Image, now[policy.CPU], now[policy.Memory])
		if class([]settings{now}) == corev1.PodQOSBestEffort {
			note += ": nothing to resize, since it has neither requests nor limits"
		}
		found = append(found, actuators.Found{Name: name, Spec: &one, Note: note})
	}
	return found
}
