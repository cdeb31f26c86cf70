package kubeloop_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/kubernetes"
	"github.com/engramd/engramd/testenv/loop"
)

// TestE2EBadRolloutIsUndone has a Deployment whose pods are never ready at the new size. Within the deadline our resources
// are gone from the template, and nothing else: the image that the user rolled out meanwhile is still there.
func TestE2EBadRolloutIsUndone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.run(t, service{kind: "Deployment", name: "api", replicas: 2, sick: true})
	a := b.start(t, target{Name: "api", Apply: "restart"})
	action := a.Await(t, soon, "it is rolled out", of("api", "applying", "verifying", "validating"))
	testenv.Eventually(t, soon, "there is a pod of the new size", func() bool {
		for _, pod := range b.pods(t, "api") {
			if asks(pod) == 200 {
				return true
			}
		}
		return false
	})
	patch := `{"spec": {"template": {"spec": {"containers": [{"name": "engram", "image": "` + image2 + `"}]}}}}`
	_, err := b.c.Client().AppsV1().Deployments(b.namespace).Patch(t.Context(), "api", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ended := a.Await(t, soon, "it is over", over(action.ID))
	t.Logf("%s: %s", ended.State, ended.Reason)
	if ended.State != takenBack && ended.State != "superseded" {
		t.Errorf("it ended %s: %s", ended.State, ended.Reason)
	}
	b.expectWell(t, "api", 2, image2)
}

// expectWell wants a service to have so many ready pods of the old size, with that image, and a template that says so.
func (b *bench) expectWell(t *testing.T, name string, replicas int, image string) {
	t.Helper()
	testenv.Eventually(t, soon, name+" is well, at its old size", func() bool {
		pods := b.pods(t, name)
		if len(pods) != replicas {
			return false
		}
		for _, pod := range pods {
			if !kubernetes.Ready(pod) || pod.Spec.Containers[0].Image != image || asks(pod) != 100 {
				return false
			}
		}
		return true
	})
}

// TestE2EStatefulSetDoesNotStayStuck has a StatefulSet whose newest pod is never ready at the new size: Kubernetes waits for
// it for ever, also after the template was put right. The undo lets it go on.
func TestE2EStatefulSetDoesNotStayStuck(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.run(t, service{kind: "StatefulSet", name: "db", replicas: 2, sick: true})
	a := b.start(t, target{Name: "db", Kind: "statefulset", Apply: "restart"})
	ended := a.Await(t, 5*time.Minute, "it is over", func(x loop.Action) bool { return of("db")(x) && x.Final() })
	t.Logf("%s: %s", ended.State, ended.Reason)
	if ended.State != takenBack {
		t.Errorf("it ended %s: %s", ended.State, ended.Reason)
	}
	b.expectWell(t, "db", 2, kubernetes.WorkloadImage)
}

// TestE2EGoodRollout resizes by a rollout: the template has the size, new pods come one after another, and all are ready.
func TestE2EGoodRollout(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.run(t, service{kind: "StatefulSet", name: "db", replicas: 2})
	a := b.start(t, target{Name: "db", Kind: "statefulset", Apply: "restart"})
	ended := a.Await(t, soon, "it is over", func(x loop.Action) bool { return of("db")(x) && x.Final() })
	if ended.State != "committed" && ended.State != "inconclusive" || ended.Strategy != "restart" {
		t.Errorf("it ended %s (%s): %s", ended.State, ended.Strategy, ended.Reason)
	}
	b.await(t, "db", 2)
	b.expectLimits(t, "db", big)
	t.Logf("explain:\n%s", a.Do(t, "explain", ended.ID))
}
