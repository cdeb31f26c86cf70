package kubeloop_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/kubernetes"
	"github.com/engramd/engramd/testenv/load"
	"github.com/engramd/engramd/testenv/loop"
)

// TestE2EResizedInPlace has three pods under more load than their limits let them do: the limits are raised in the running
// containers, nothing is rolled out, and the kernel holds them back less. Pods that a rollout of the user brings later get
// the size too, until the user asks for all of it back.
func TestE2EResizedInPlace(t *testing.T) {
	b := newBench(t)
	before := b.run(t, service{kind: "Deployment", name: "api", replicas: 3})
	var loads []*testenv.Load
	for _, pod := range before { // 0.14 cores each, of which the limit lets it have 0.1
		loads = append(loads, testenv.StartLoad(t, load.Config{URL: front(t, pod) + "/work?cpu=10ms", Rate: 14, Timeout: 5 * time.Second}))
	}
	var held float64
	testenv.Eventually(t, soon, "the load is more than the kernel lets through", func() bool {
		held = throttled(t, before)
		return held > 0.5
	})
	values := b.values(t, target{Name: "api"})
	values["validation"] = "settle: 10s, duration: 45s, every: 5s, effect: {checks: 3}" // a kubelet looks every ten seconds or so
	a := loop.Start(t, doubled, values)
	action := a.Await(t, soon, "the resize is over", func(x loop.Action) bool { return x.Final() })
	freed := throttled(t, before)
	t.Logf("%s: %s; throttled in %.0f%% of the periods before, and %.0f%% after", action.State, action.Reason, 100*held, 100*freed)
	for _, l := range loads {
		l.Stop()
	}
	if !of("api", "committed")(action) || action.Strategy != "live" {
		t.Errorf("the action is %s of %s, %s -> %s, %s (%s), want a live growth 100 -> 200 that is committed",
			action.State, action.Resource, action.From, action.To, action.Strategy, action.Reason)
	}
	b.expectLimits(t, "api", big)
	b.expectUntouched(t, "api", before)
	if freed > 0.9*held { // the less, the less else the machine does
		t.Errorf("throttled in %.0f%% of the periods before and %.0f%% after", 100*held, 100*freed)
	}
	sets, err := b.c.Client().AppsV1().ReplicaSets(b.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(sets.Items) != 1 {
		t.Errorf("there are %d ReplicaSets (%v), want the one that there was", len(sets.Items), err)
	}
	expectEvents(t, b, "api")
	rolledOutByTheUser(t, b, before)
	released(t, b, a)
}

// front is a pod's service on loopback, the only place that load may go to.
func front(t *testing.T, pod corev1.Pod) string {
	t.Helper()
	to, err := url.Parse(kubernetes.Service(pod).URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// rolledOutByTheUser replaces the pods for a reason of the user's own.
func rolledOutByTheUser(t *testing.T, b *bench, before []corev1.Pod) {
	t.Helper()
	patch := `{"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}}`
	_, err := b.c.Client().AppsV1().Deployments(b.namespace).Patch(t.Context(), "api", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, soon, "all pods are new and ready", func() bool {
		now := b.pods(t, "api")
		return len(now) == 3 && !slices.ContainsFunc(now, func(p corev1.Pod) bool {
			return !kubernetes.Ready(p) || slices.ContainsFunc(before, func(old corev1.Pod) bool { return old.UID == p.UID })
		})
	})
	began := time.Now()
	testenv.Eventually(t, 30*time.Second, "the new pods have the committed size", func() bool {
		return !slices.ContainsFunc(b.pods(t, "api"), func(p corev1.Pod) bool { return limit(t, p) != big })
	})
	t.Logf("the new pods had the committed size %v after the last of them was ready", time.Since(began).Round(time.Millisecond))
}

// released gives everything back: no size, annotation or Lease of ours is left.
func released(t *testing.T, b *bench, a *loop.Agent) {
	t.Helper()
	testenv.Eventually(t, soon, "the user's rollout is over", func() bool {
		d, err := b.c.Client().AppsV1().Deployments(b.namespace).Get(t.Context(), "api", metav1.GetOptions{})
		list, err2 := b.c.Client().CoreV1().Pods(b.namespace).List(t.Context(), metav1.ListOptions{})
		return err == nil && err2 == nil && d.Status.Replicas == 3 && len(list.Items) == 3
	})
	<-time.After(5 * time.Second) // engramd has seen that too: it gives nothing back during a rollout
	t.Log(a.Do(t, "release", "--all"))
	testenv.Eventually(t, 3*time.Minute, "every pod has its old size again", func() bool {
		return !slices.ContainsFunc(b.pods(t, "api"), func(p corev1.Pod) bool { return limit(t, p) != small })
	})
	b.expectNoMarks(t)
}

// expectNoMarks wants nothing of ours in the namespace.
func (b *bench) expectNoMarks(t *testing.T) {
	t.Helper()
	testenv.Eventually(t, 3*time.Minute, "no Lease of engramd is left", func() bool {
		leases, err := b.c.Client().CoordinationV1().Leases(b.namespace).List(t.Context(), metav1.ListOptions{})
		return err == nil && len(leases.Items) == 0
	})
	deployments, err := b.c.Client().AppsV1().Deployments(b.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range deployments.Items {
		for key := range d.Annotations {
			if strings.Contains(key, "engramd.io") {
				t.Errorf("%s has the annotation %s still", d.Name, key)
			}
		}
		for _, field := range d.ManagedFields {
			if strings.Contains(field.Manager, "engramd") && field.Subresource == "" && field.FieldsV1 != nil && strings.Contains(field.FieldsV1.GetRawString(), "resources") {
				t.Errorf("%s has fields that engramd owns: %s", d.Name, field.FieldsV1.GetRawString())
			}
		}
	}
}

// expectEvents wants the workload to tell its users what was done to it.
func expectEvents(t *testing.T, b *bench, name string) {
	t.Helper()
	testenv.Eventually(t, 30*time.Second, "the Deployment has an event of engramd", func() bool {
		events, err := b.c.Client().CoreV1().Events(b.namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.kind=Deployment,involvedObject.name=" + name})
		return err == nil && slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
			return strings.Contains(e.Source.Component+e.ReportingController, "engramd")
		})
	})
}
