package kubernetes

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// report says why nothing may go on in a namespace: which programs of the cluster have ended, what the node is not, what
// the pods wait for, and the last events. For a test that fails, whose files may be out of reach.
func (c *Cluster) report(namespace string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var text strings.Builder
	fmt.Fprintf(&text, "the cluster at %s:", time.Now().UTC().Format(time.TimeOnly))
	for _, p := range c.all() {
		if p != nil && !p.running() {
			name := filepath.Base(p.cmd.Path)
			fmt.Fprintf(&text, "\n%s has ended (%v):\n%s", name, p.cmd.ProcessState, c.logTail(name))
		}
	}
	core := c.client.CoreV1()
	nodes, err := core.Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Sprintf("%s\nnodes: %v", &text, err)
	}
	for _, n := range nodes.Items {
		for _, condition := range n.Status.Conditions {
			if (condition.Type == corev1.NodeReady) != (condition.Status == corev1.ConditionTrue) {
				fmt.Fprintf(&text, "\nnode %s: %s is %s since %v: %s", n.Name, condition.Type, condition.Status, condition.LastTransitionTime, condition.Message)
			}
		}
		fmt.Fprintf(&text, "\nnode %s: taints %v", n.Name, n.Spec.Taints)
	}
	pods, err := core.Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Sprintf("%s\npods: %v", &text, err)
	}
	for _, p := range pods.Items {
		fmt.Fprintf(&text, "\npod %s/%s: %s, node %q, deleted %v", p.Namespace, p.Name, p.Status.Phase, p.Spec.NodeName, p.DeletionTimestamp)
		for _, condition := range p.Status.Conditions {
			if condition.Status != corev1.ConditionTrue {
				fmt.Fprintf(&text, "; %s %s %s", condition.Type, condition.Reason, condition.Message)
			}
		}
		for _, s := range p.Status.ContainerStatuses {
			if s.State.Running == nil {
				fmt.Fprintf(&text, "; container %s: %v", s.Name, s.State.String())
			}
		}
	}
	events, err := core.Events(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Sprintf("%s\nevents: %v", &text, err)
	}
	slices.SortFunc(events.Items, func(a, b corev1.Event) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	for _, e := range events.Items[max(0, len(events.Items)-15):] {
		fmt.Fprintf(&text, "\nevent %s %s %s: %s", e.CreationTimestamp.UTC().Format(time.TimeOnly), e.InvolvedObject.Name, e.Reason, e.Message)
	}
	return text.String()
}
