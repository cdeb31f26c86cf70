package kubernetes_test

import (
	"errors"
	"strings"
	"testing"

	coordination "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

func leasesIn(t *testing.T, m *model) []coordination.Lease {
	t.Helper()
	list, err := m.api.CoordinationV1().Leases(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func locked(t *testing.T, m *model, target policy.Target, holder string) actuators.Lock {
	t.Helper()
	l, _, err := m.driver.Lock(t.Context(), target, holder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestLockOfATarget(t *testing.T) {
	m := newModel(t)
	target := m.start(service{resources: requirements("1", "64Mi")})
	l := locked(t, m, target, "host-a")
	all := leasesIn(t, m)
	if len(all) != 1 || all[0].Name != "engramd.deployment.web.app" || all[0].Labels["app.kubernetes.io/managed-by"] != "engramd" {
		t.Fatalf("got %+v", all)
	}
	owner := all[0].OwnerReferences
	if len(owner) != 1 || owner[0].Kind != "Deployment" || owner[0].UID != "uid-web" || owner[0].APIVersion != "apps/v1" || owner[0].BlockOwnerDeletion != nil {
		t.Errorf("owners %+v", owner)
	}
	if err := l.Check(); err != nil {
		t.Error(err)
	}
	again := target
	again.Name = "web-again"
	if _, _, err := m.driver.Lock(t.Context(), again, "host-a"); !errors.Is(err, actuators.ErrHeld) || !strings.Contains(err.Error(), "target web") {
		t.Errorf("two targets of one agent are one container: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	l = locked(t, m, again, "host-a")
	if err := l.Close(); err != nil || len(leasesIn(t, m)) > 0 {
		t.Errorf("%v, left %v", err, leasesIn(t, m))
	}
}

func TestRelease(t *testing.T) {
	m := newModel(t)
	target := m.start(service{resources: requirements("1", "64Mi")})
	deployments := m.api.AppsV1().Deployments(namespace)
	d, err := deployments.Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d.Annotations = map[string]string{"committed.engramd.io/app": "{}", "committed.engramd.io/other": "{}", "engramd.io/pause": "false", "theirs": "1"}
	if _, err := deployments.Update(t.Context(), d, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	l := locked(t, m, target, "host-a")
	if err := l.Record(actuators.Action{ID: "one"}); err != nil {
		t.Fatal(err)
	}
	if err := m.driver.Release(t.Context(), target); err != nil { // the Lease goes with its Close
		t.Error(err)
	}
	if err := l.Check(); err != nil {
		t.Error(err)
	}
	d, err = deployments.Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil || len(d.Annotations) != 3 || d.Annotations["theirs"] != "1" {
		t.Errorf("annotations %v, %v", d.Annotations, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if left := leasesIn(t, m); len(left) != 1 {
		t.Errorf("a Lease with an open action: %v", left)
	}
	l = locked(t, m, target, "host-a")
	if err := errors.Join(l.Clear("one"), l.Close()); err != nil || len(leasesIn(t, m)) > 0 {
		t.Errorf("%v, left %v", err, leasesIn(t, m))
	}
	for range 2 {
		if err := m.driver.Release(t.Context(), target); err != nil {
			t.Error(err)
		}
	}
}

// TestLockOfAContainerThatIsGone is about the Lease of an agent that died, and whose container was taken out of
// the template meanwhile: it can be taken, ended and deleted like any other.
func TestLockOfAContainerThatIsGone(t *testing.T) {
	m := newModel(t)
	target := m.start(service{resources: requirements("1", "64Mi")})
	_, err := m.api.CoordinationV1().Leases(namespace).Create(t.Context(), &coordination.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: "engramd.deployment.web.app", Namespace: namespace,
			Annotations: map[string]string{"action.engramd.io/one": `{"id":"one"}`},
		},
		Spec: coordination.LeaseSpec{HolderIdentity: new("host-a")},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m.changeTemplate("web", func(c *corev1.Container) { c.Name = "web" })
	l, left, err := m.driver.Lock(t.Context(), target, "host-a")
	if err != nil || len(left) != 1 || left[0].ID != "one" {
		t.Fatalf("left open: %v, %v", left, err)
	}
	if err := errors.Join(l.Clear("one"), l.Close()); err != nil || len(leasesIn(t, m)) > 0 {
		t.Errorf("%v, left %v", err, leasesIn(t, m))
	}
}

// TestReleaseOfAContainerThatIsGone leaves nothing of what was noted for it: its name is known still.
func TestReleaseOfAContainerThatIsGone(t *testing.T) {
	m := newModel(t)
	target := m.start(service{resources: ratio("100m", "200m")})
	m.commit(target, cpu(400))
	m.changeTemplate("web", func(c *corev1.Container) { c.Name = "web" })
	if err := m.driver.Release(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	if left, ok := m.deployment("web").Annotations[note]; ok {
		t.Errorf("left: %q", left)
	}
}
