package kubernetes_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	client "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/kubernetes"
)

// runPod starts a pod of the workload in the default namespace, and waits until it runs.
func runPod(t *testing.T, kubeconfig string) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "engram"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "engram", Image: kubernetes.WorkloadImage, ImagePullPolicy: corev1.PullNever,
		}}},
	}
	testenv.Eventually(t, 30*time.Second, "a pod can be made", func() bool {
		_, err := c.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{})
		return err == nil
	})
	testenv.Eventually(t, time.Minute, "the pod runs", func() bool {
		now, err := c.CoreV1().Pods("default").Get(t.Context(), "engram", metav1.GetOptions{})
		return err == nil && kubernetes.Ready(*now)
	})
}
