package kubernetes_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
	cluster "github.com/engramd/engramd/testenv/kubernetes"
)

// agents are two drivers with one target on an API server of their own.
func agents(t *testing.T) (*cluster.Cluster, policy.Target, [2]*kubernetes.Driver) {
	c := cluster.APIServer(t)
	labels := map[string]string{"app": "web"}
	_, err := c.Client().AppsV1().Deployments("default").Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	c.WriteKubeconfig(t, path, c.Config())
	target := policy.Target{Name: "web", Specs: map[string]any{"kubernetes": &kubernetes.Spec{Deployment: "web", Namespace: "default", Kubeconfig: path}}}
	var two [2]*kubernetes.Driver
	for i := range two {
		two[i] = kubernetes.New(nil)
		t.Cleanup(func() { _ = two[i].Close() })
	}
	return c, target, two
}

// TestE2ELeaseIsHandedOver has one agent after the other hold a workload on a real API server.
func TestE2ELeaseIsHandedOver(t *testing.T) {
	c, target, two := agents(t)
	a, left, err := two[0].Lock(t.Context(), target, "a")
	if err != nil || len(left) != 0 {
		t.Fatalf("%v, %v", left, err)
	}
	if _, _, err := two[1].Lock(t.Context(), target, "b"); !errors.Is(err, actuators.ErrHeld) {
		t.Fatalf("want ErrHeld, got %v", err)
	}
	open := actuators.Action{ID: "one", TargetName: "web", Resource: policy.CPU, From: policy.Amount(100), To: policy.Amount(200), State: actuators.Applying}
	if err := errors.Join(a.Check(), a.Record(open), a.Check(), a.Close()); err != nil {
		t.Fatal(err)
	}
	b, left, err := two[1].Lock(t.Context(), target, "b") // at once
	if err != nil || len(left) != 1 {
		t.Fatalf("%v, %v", left, err)
	}
	if diff := cmp.Diff(open, left[0], cmp.AllowUnexported(policy.Quantity{})); diff != "" {
		t.Errorf("-left +taken over:\n%s", diff)
	}
	if err := a.Check(); !errors.Is(err, actuators.ErrLost) {
		t.Errorf("want ErrLost, got %v", err)
	}
	if err := errors.Join(b.Clear("one"), b.Close()); err != nil {
		t.Fatal(err)
	}
	leases, err := c.Client().CoordinationV1().Leases("default").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(leases.Items) > 0 {
		t.Errorf("left: %v, %v", leases.Items, err)
	}
}

// TestE2ELeaseAndTheServerAway has the API server go away for longer than a Lease lasts: nobody may act, and
// the one that is heard first afterwards has it.
func TestE2ELeaseAndTheServerAway(t *testing.T) {
	c, target, two := agents(t)
	a, _, err := two[0].Lock(t.Context(), target, "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Record(actuators.Action{ID: "one", State: actuators.Applying}); err != nil {
		t.Fatal(err)
	}
	c.StopAPIServer(t)
	for began := time.Now(); time.Since(began) < 17*time.Second; {
		if err := a.Check(); !errors.Is(err, actuators.ErrTransient) || errors.Is(err, actuators.ErrLost) {
			t.Fatalf("want ErrTransient alone, got %v", err)
		}
		if _, _, err := two[1].Lock(t.Context(), target, "b"); !errors.Is(err, actuators.ErrTransient) {
			t.Fatalf("want ErrTransient, got %v", err)
		}
	}
	c.StartAPIServer(t)
	testenv.Eventually(t, 20*time.Second, "the holder goes on", func() bool { return a.Check() == nil })
	if _, _, err := two[1].Lock(t.Context(), target, "b"); !errors.Is(err, actuators.ErrHeld) {
		t.Errorf("want ErrHeld, got %v", err)
	}
	holder := "c"
	leases := c.Client().CoordinationV1().Leases("default")
	l, err := leases.Get(t.Context(), "engramd.deployment.web.app", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l.Spec.HolderIdentity = &holder // of an agent that is killed right away
	testenv.Eventually(t, 10*time.Second, "another took it", func() bool {
		if _, err := leases.Update(t.Context(), l, metav1.UpdateOptions{}); err != nil {
			l, _ = leases.Get(t.Context(), l.Name, metav1.GetOptions{})
			l.Spec.HolderIdentity = &holder
			return false
		}
		return true
	})
	if err := a.Check(); !errors.Is(err, actuators.ErrLost) {
		t.Errorf("want ErrLost, got %v", err)
	}
	began := time.Now()
	var b actuators.Lock
	testenv.Eventually(t, 40*time.Second, "the lease of the dead agent is taken over", func() bool {
		var left []actuators.Action
		var err error
		if b, left, err = two[1].Lock(t.Context(), target, "b"); err != nil && !errors.Is(err, actuators.ErrHeld) {
			t.Fatal(err)
		}
		if err == nil && (len(left) != 1 || left[0].ID != "one") {
			t.Errorf("left %v", left)
		}
		return err == nil
	})
	if waited := time.Since(began); waited < 14*time.Second {
		t.Errorf("taken over after %s", waited)
	}
	if err := errors.Join(a.Close(), b.Check(), b.Clear("one"), b.Close()); err != nil {
		t.Error(err)
	}
}
