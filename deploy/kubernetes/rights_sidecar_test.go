package kubernetes_test

import (
	"testing"

	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/policy"
)

// TestE2ESidecarHasTheRightsItUses does the same for the account of a sidecar, as if it ran in the pod.
func TestE2ESidecarHasTheRightsItUses(t *testing.T) {
	v := variant{dirs: []string{"sidecar"}}
	b := newBench(t, "engramd-sidecar", v)
	v.namespace = b.namespace
	b.Apply(t, b.namespace, workload("Deployment", "web", b.LoadWorkload(t, "", nil), "replicas: 1"))
	pods := b.AwaitPods(t, b.namespace, "app=web", 1)
	t.Setenv("KUBECONFIG", b.kubeconfig)
	t.Setenv("POD_NAME", pods[0].Name)
	t.Setenv("POD_NAMESPACE", b.namespace)

	self := b.target(kubernetes.Spec{Self: true, Container: "app"})
	st := b.settled(self, 1)
	if _, ok := st.Parts[0].Configured[policy.Replicas]; ok {
		t.Error("a pod has no replicas")
	}
	b.lock(self)
	b.events(self)
	b.resize(self, st)
	if err := b.driver.Release(t.Context(), self); err != nil {
		t.Error(err)
	}

	used, denied := asked(t, b.Cluster, b.user)
	if len(denied) > 0 {
		t.Errorf("denied: %q", denied)
	}
	compare(t, granted(t, v.build(t)), used)
}
