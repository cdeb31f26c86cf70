package kubernetes

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/testenv"
)

// Pods lists the pods with a label such as app=engram that nobody is deleting, the oldest first.
func (c *Cluster) Pods(t testing.TB, namespace, selector string) []corev1.Pod {
	t.Helper()
	list, err := c.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		t.Fatalf("testenv: list pods: %v", err)
	}
	pods := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
	slices.SortFunc(pods, func(a, b corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	return pods
}

// AwaitPods waits until exactly n pods have the label, and all are ready, and returns them.
func (c *Cluster) AwaitPods(t testing.TB, namespace, selector string, n int) (pods []corev1.Pod) {
	t.Helper()
	ready := false
	defer func() {
		if !ready {
			t.Logf("testenv: %s", c.report(namespace))
		}
	}()
	testenv.Eventually(t, 90*time.Second, "the pods "+selector+" are ready", func() bool {
		pods = c.Pods(t, namespace, selector)
		ready = len(pods) == n && !slices.ContainsFunc(pods, func(p corev1.Pod) bool { return !Ready(p) })
		return ready
	})
	return pods
}

// Ready tells whether a pod is ready.
func Ready(pod corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// ContainerID is the id of a pod's running container, as its cgroup is called (testenv.Cgroup).
func ContainerID(t testing.TB, pod corev1.Pod, container string) string {
	t.Helper()
	for _, status := range slices.Concat(pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses) {
		if _, id, ok := strings.Cut(status.ContainerID, "://"); ok && status.Name == container {
			return id
		}
	}
	t.Fatalf("testenv: the pod %s runs no container %q", pod.Name, container)
	return ""
}

// Service steers the workload in a pod.
func Service(pod corev1.Pod) testenv.Workload {
	return testenv.Workload{URL: "http://" + pod.Status.PodIP + ":8080"}
}
