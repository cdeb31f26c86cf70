package kubernetes_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/testenv/kubernetes"
)

func TestE2EAPIServerAlone(t *testing.T) {
	c := kubernetes.APIServer(t)
	namespaces, err := c.Client().CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(namespaces.Items) == 0 {
		t.Fatalf("namespaces: %v, %v", namespaces, err)
	}
}
