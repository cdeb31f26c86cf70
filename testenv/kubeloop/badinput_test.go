package kubeloop_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/kubernetes"
	"github.com/engramd/engramd/testenv/loop"
)

// told waits until engramd says, in an action's reason, a refused plan, a decision, a target's detail or an event, what is
// the matter.
func told(t *testing.T, a *loop.Agent, text string) {
	t.Helper()
	testenv.Eventually(t, soon, "engramd says: "+text, func() bool {
		if strings.Contains(a.Log(), text) {
			return true
		}
		return slices.ContainsFunc(a.Plans(t), func(p loop.Plan) bool { return strings.Contains(p.Refused, text) })
	})
}

// TestE2EInfeasible wants more than any node has: Kubernetes says so, and the change is taken back with those words.
func TestE2EInfeasible(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	pods := b.run(t, service{kind: "Deployment", name: "api", replicas: 1})
	values := b.values(t, target{Name: "api", Max: "64"})
	values["to"] = "64"
	a := loop.Start(t, doubled, values)
	ended := a.Await(t, soon, "it is over", func(x loop.Action) bool { return x.Final() })
	if ended.State != takenBack && ended.State != "failed" || !strings.Contains(ended.Reason, "node didn't have enough allocatable resources") {
		t.Errorf("it ended %s: %s", ended.State, ended.Reason)
	}
	t.Logf("%s: %s", ended.State, ended.Reason)
	testenv.Eventually(t, soon, "the pod asks for its old size", func() bool {
		return asks(b.pods(t, "api")[0]) == 100
	})
	b.expectLimits(t, "api", small)
	b.expectUntouched(t, "api", pods)
}

// TestE2EForbidden takes one right away: engramd says which, and touches nothing.
func TestE2EForbidden(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	pods := b.run(t, service{kind: "Deployment", name: "api", replicas: 1})
	role, err := b.c.Client().RbacV1().Roles(b.namespace).Get(t.Context(), "engramd", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, rule := range role.Rules {
		if slices.Contains(rule.Resources, "pods/resize") {
			role.Rules = slices.Delete(role.Rules, i, i+1)
			break
		}
	}
	if _, err := b.c.Client().RbacV1().Roles(b.namespace).Update(t.Context(), role, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	a := b.start(t, target{Name: "api"})
	told(t, a, "pods/resize")
	b.expectLimits(t, "api", small)
	b.expectUntouched(t, "api", pods)
}

// TestE2EQuota has a namespace whose quota leaves no room: that is said before anything is touched.
func TestE2EQuota(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.c.Apply(t, b.namespace, "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: small}\nspec: {hard: {limits.cpu: 250m}}\n")
	pods := b.run(t, service{kind: "Deployment", name: "api", replicas: 2})
	a := b.start(t, target{Name: "api"})
	told(t, a, "ResourceQuota")
	b.expectLimits(t, "api", small)
	b.expectUntouched(t, "api", pods)
}

// TestE2EPodDeletedWhileResizing deletes the pod whose resize is on its way; the one that comes in its place has a size that
// is whole: the old one, or the new one.
func TestE2EPodDeletedWhileResizing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	pods := b.run(t, service{kind: "Deployment", name: "api", replicas: 2})
	gate := b.gate(t)
	held := gate.Before(1, "PATCH /resize")
	a := b.start(t, target{Name: "api", Kubeconfig: b.kubeconfig(t, gate)})
	held.Await(t, soon)
	for _, pod := range pods {
		if err := b.c.Client().CoreV1().Pods(b.namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
			t.Fatal(err)
		}
	}
	gate.Open()
	ended := a.Await(t, soon, "it is over", func(x loop.Action) bool { return x.Final() })
	t.Logf("%s: %s", ended.State, ended.Reason)
	b.await(t, "api", 2)
	want := small
	if slices.Contains(strings.Fields(stays), ended.State) {
		want = big
	}
	testenv.Eventually(t, soon, "both pods have the size that the action ended with", func() bool {
		return !slices.ContainsFunc(b.pods(t, "api"), func(p corev1.Pod) bool { return limit(t, p) != want })
	})
}

// TestE2EConflict has somebody else change the pod between engramd's look and its patch.
func TestE2EConflict(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	pods := b.run(t, service{kind: "Deployment", name: "api", replicas: 1})
	gate := b.gate(t)
	held := gate.Before(1, "PATCH /resize")
	a := b.start(t, target{Name: "api", Kubeconfig: b.kubeconfig(t, gate)})
	held.Await(t, soon)
	_, err := b.c.Client().CoreV1().Pods(b.namespace).Patch(t.Context(), pods[0].Name, types.MergePatchType, []byte(`{"metadata": {"labels": {"touched": "yes"}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	gate.Open()
	ended := a.Await(t, soon, "it is over", func(x loop.Action) bool { return x.Final() })
	if !slices.Contains(strings.Fields(stays), ended.State) {
		t.Errorf("it ended %s: %s", ended.State, ended.Reason)
	}
	b.expectLimits(t, "api", big)
	b.expectUntouched(t, "api", pods)
}

// TestE2ENodeNotReady loses the kubelet in the middle of a resize: the change waits, says for what, and goes on when the
// kubelet is back, or is taken back.
func TestE2ENodeNotReady(t *testing.T) {
	b := newBench(t)
	pods := b.run(t, service{kind: "Deployment", name: "api", replicas: 1})
	gate := b.gate(t)
	held := gate.Before(1, "PATCH /resize")
	a := b.start(t, target{Name: "api", Kubeconfig: b.kubeconfig(t, gate)})
	held.Await(t, soon)
	b.c.StopNode(t)
	t.Cleanup(func() { b.c.StartNode(t) })
	gate.Open()
	b.c.AwaitNode(t, false)
	b.expectLimits(t, "api", small)
	b.c.StartNode(t)
	ended := a.Await(t, soon, "it is over", func(x loop.Action) bool { return x.Final() })
	t.Logf("%s: %s", ended.State, ended.Reason)
	want := small
	if slices.Contains(strings.Fields(stays), ended.State) {
		want = big
	}
	testenv.Eventually(t, soon, "the pod has the size that the action ended with", func() bool { return limit(t, b.pods(t, "api")[0]) == want })
	b.expectUntouched(t, "api", pods)
}

// TestE2EAPIServerGone loses the API server in the middle of a rollout: engramd waits for it, and sees the rollout to its end.
func TestE2EAPIServerGone(t *testing.T) {
	b := newBench(t)
	b.run(t, service{kind: "Deployment", name: "api", replicas: 2})
	a := b.start(t, target{Name: "api", Apply: "restart"})
	action := a.Await(t, soon, "it is rolled out", of("api", "applying"))
	testenv.Eventually(t, soon, "there is a pod of the new size", func() bool {
		return slices.ContainsFunc(b.pods(t, "api"), func(p corev1.Pod) bool { return asks(p) == 200 })
	})
	b.c.StopAPIServer(t)
	t.Cleanup(func() { b.c.StartAPIServer(t) })
	told(t, a, "is the API server up")
	<-time.After(5 * time.Second) // an absence that a rollout notices
	b.c.StartAPIServer(t)
	ended := a.Await(t, soon, "it is over", over(action.ID))
	t.Logf("%s: %s", ended.State, ended.Reason)
	if !slices.Contains(strings.Fields(stays+" "+takenBack), ended.State) {
		t.Errorf("it ended %s: %s", ended.State, ended.Reason)
	}
	want := int64(100)
	if slices.Contains(strings.Fields(stays), ended.State) {
		want = 200
	}
	testenv.Eventually(t, soon, "two ready pods of the size that the action ended with", func() bool {
		pods := b.pods(t, "api")
		return len(pods) == 2 && !slices.ContainsFunc(pods, func(p corev1.Pod) bool {
			return !kubernetes.Ready(p) || asks(p) != want
		})
	})
}

// TestE2EMissing has a target that is not there: that is said, until it comes.
func TestE2EMissing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.start(t, target{Name: "api"})
	testenv.Eventually(t, soon, "the target is not found", func() bool {
		one := a.Target(t, "api")
		return one.State != "ok" && strings.Contains(one.Detail, "not found")
	})
	b.run(t, service{kind: "Deployment", name: "api", replicas: 1})
	a.Await(t, soon, "it is resized", of("api", strings.Fields(stays)...))
	b.expectLimits(t, "api", big)
}
