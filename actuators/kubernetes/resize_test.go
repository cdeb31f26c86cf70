package kubernetes_test

import (
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/policy"
)

func TestResizeKeepsTheRatio(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 2, resources: ratio("100m", "400m")})
	m.must(m.do(target, m.planned(target, cpu(1000))))
	for _, p := range m.list("web") {
		r := p.Spec.Containers[0].Resources
		equal(t, p.Name, []string{r.Requests.Cpu().String(), r.Limits.Cpu().String()}, []string{"250m", "1"})
	}
	if got := m.deployment("web").Spec.Template.Spec.Containers[0].Resources.Limits.Cpu().String(); got != "400m" {
		t.Errorf("the template says %s: a live change must not write it", got)
	}
}

func TestTheKubeletDoesNotResize(t *testing.T) {
	cases := []struct {
		name string
		says kubelet
		kind error
		text string
	}{
		{"deferred", kubelet{"PodResizePending", "Deferred", "Node didn't have enough resource: cpu"}, actuators.ErrTransient, "puts the resize off (Deferred): Node didn't have enough"},
		{"infeasible", kubelet{"PodResizePending", "Infeasible", "Node didn't have enough capacity: cpu"}, actuators.ErrRefused, "the kubelet cannot make this resize"},
		{"failed", kubelet{"PodResizeInProgress", "Error", "cannot decrease memory"}, nil, "cannot decrease memory"},
		{"in progress for ever", kubelet{"PodResizeInProgress", "", ""}, actuators.ErrTransient, "making the resize"},
		{"asleep", kubelet{kind: "asleep"}, actuators.ErrTransient, "the kubelet of node node-1 has not seen the new size yet"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel(t)
				target := m.start(service{pods: 3, resources: ratio("100m", "200m")})
				plan := m.planned(target, cpu(400))
				pods := m.list("web")
				m.set(func(m *model) { m.kubelet[pods[1].Name] = c.says })
				err := m.do(target, plan)
				if c.kind != nil {
					m.wants(err, c.kind, c.text)
				} else if err == nil || strings.Contains(err.Error(), "transient") || !strings.Contains(err.Error(), c.text) {
					t.Errorf("error %v, want %q", err, c.text)
				}
				m.set(func(m *model) { clear(m.kubelet) })
				m.must(m.undo(target, plan))
				equal(t, "sizes after undo", m.sizes(target, policy.CPU), []string{"200m", "200m", "200m"})
			})
		})
	}
}

func TestStaleConditionsSayNothing(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 1, resources: ratio("100m", "200m")})
	plan := m.planned(target, cpu(400))
	m.must(m.do(target, plan))
	m.changePod(m.list("web")[0].Name, func(p *corev1.Pod) {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{
			Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: "Infeasible", ObservedGeneration: p.Generation - 1,
		})
	})
	m.must(m.do(target, plan))
}

// A resize that can never be made becomes a rollout with the next plan, where that is configured.
func TestInfeasibleFallsBack(t *testing.T) {
	for _, configured := range []kubernetes.Infeasible{kubernetes.InfeasibleReport, kubernetes.InfeasibleRestart} {
		m := newModel(t)
		target := m.start(service{pods: 2, resources: ratio("100m", "200m")})
		specIn(target).Infeasible = configured
		m.set(func(m *model) { m.kubelet["*"] = kubelet{"PodResizePending", "Infeasible", "too much for this node"} })
		plan := m.planned(target, cpu(400))
		m.wants(m.do(target, plan), actuators.ErrRefused, "too much for this node")
		m.must(m.undo(target, plan))
		want := policy.Live
		if configured == kubernetes.InfeasibleRestart {
			want = policy.Restart
		}
		if got := m.planned(target, cpu(400)).Strategy; got != want {
			t.Errorf("infeasible: %s: the next plan is %s, want %s", configured, got, want)
		}
		if got := m.planned(target, cpu(300)).Strategy; got != policy.Live {
			t.Errorf("infeasible: %s: another size is planned %s, want live", configured, got)
		}
	}
}

func TestPodDeletedWhileResizing(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 3, resources: ratio("100m", "200m")})
	plan := m.planned(target, cpu(400))
	m.must(m.driver.Do(t.Context(), target, plan.Steps[0]))
	m.lose(m.list("web")[1].Name)
	m.must(m.driver.Do(t.Context(), target, plan.Steps[1]))
	m.must(m.driver.Do(t.Context(), target, plan.Steps[2]))
	equal(t, "sizes", m.sizes(target, policy.CPU), []string{"400m", "400m", "400m"})
	m.must(m.undo(target, plan))
	equal(t, "sizes after undo", m.sizes(target, policy.CPU), []string{"200m", "200m", "200m"})
}

func TestPodGoneBeforeUndo(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 2, resources: ratio("100m", "200m")})
	plan := m.planned(target, cpu(400))
	m.must(m.do(target, plan))
	m.lose(m.list("web")[0].Name)
	m.must(m.undo(target, plan))
	equal(t, "sizes after undo", m.sizes(target, policy.CPU), []string{"200m", "200m"})
}

func TestSuccessorOfTheSameName(t *testing.T) {
	m := newModel(t)
	target := m.start(service{kind: "StatefulSet", pods: 2, resources: ratio("100m", "200m")})
	plan := m.planned(target, cpu(400))
	m.lose("web-0")
	m.must(m.do(target, plan))
	equal(t, "sizes", m.sizes(target, policy.CPU), []string{"400m", "400m"})
}

func TestSomebodyElseResized(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 2, resources: ratio("100m", "200m")})
	plan := m.planned(target, cpu(400))
	theirs := func(p *corev1.Pod) { p.Spec.Containers[0].Resources = ratio("300m", "600m") }
	name := m.list("web")[1].Name
	m.changePod(name, theirs)
	m.wants(m.do(target, plan), actuators.ErrRefused, "somebody else changed it")
	m.must(m.undo(target, plan))
	equal(t, "sizes after undo", m.sizes(target, policy.CPU), []string{"200m", "600m"})
}

func TestRestartingResize(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 2, resources: ratio("100m", "200m"), change: func(p *corev1.PodTemplateSpec) {
		p.Spec.Containers[0].ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceCPU, RestartPolicy: corev1.RestartContainer}}
	}})
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "two", Namespace: namespace},
		Spec:   policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
		Status: policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: 0, CurrentHealthy: 2, DesiredHealthy: 2}}
	m.must(m.api.Tracker().Add(budget))
	plan := m.planned(target, cpu(400))
	if plan.Strategy != policy.Restart {
		t.Errorf("strategy %s, want restart: the resizePolicy restarts the container", plan.Strategy)
	}
	m.wants(m.do(target, plan), actuators.ErrTransient, "the PodDisruptionBudget two allows no disruption now (2 of 2 healthy)")
	budget.Status.DisruptionsAllowed = 1
	m.must(m.api.Tracker().Update(policyv1.SchemeGroupVersion.WithResource("poddisruptionbudgets"), budget, namespace))
	m.must(m.do(target, plan))
	for _, p := range m.observe(target).Parts {
		if p.Restarts != 1 {
			t.Errorf("%s was restarted %d times, want 1", p.Name, p.Restarts)
		}
	}
}

func TestObservedParts(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 2, resources: ratio("100m", "200m")})
	pods := m.list("web")
	m.changePod(pods[0].Name, func(p *corev1.Pod) {
		s := &p.Status.ContainerStatuses[0]
		s.RestartCount = 3
		s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: "OOMKilled"}
		s.Resources.Limits = quantities("150m")
		p.Status.Conditions[0].Status = corev1.ConditionFalse
	})
	m.must(m.api.Tracker().Add(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "stranger", Namespace: namespace, Labels: map[string]string{"app": "web"}}}))
	now := metav1.Now()
	m.changePod(pods[1].Name, func(p *corev1.Pod) { p.DeletionTimestamp, p.Finalizers = &now, []string{"x/y"} })
	st := m.observe(target)
	if len(st.Parts) != 1 {
		t.Fatalf("%d parts, want 1: neither the pod that ends nor the stranger with the same labels", len(st.Parts))
	}
	p := st.Parts[0]
	if !p.OOMKilled || p.Restarts != 3 || p.Healthy != "unhealthy" || !p.Running || p.StartedAt.IsZero() {
		t.Errorf("part %+v", p)
	}
	equal(t, "configured", p.Configured[policy.CPU], policy.Amount(200))
	equal(t, "effective", p.Effective[policy.CPU], policy.Amount(150))
	equal(t, "memory", p.Effective[policy.Memory], policy.Unlimited())
	if !p.Configured[policy.Memory].IsUnset() {
		t.Error("memory that nobody set is not unset")
	}
}

func TestSelf(t *testing.T) {
	m := newModel(t)
	m.start(service{pods: 2, resources: ratio("100m", "200m")})
	own, other := m.list("web")[0].Name, m.list("web")[1].Name
	t.Setenv("POD_NAME", own)
	target := policy.Target{Name: "me", Specs: map[string]any{"kubernetes": &kubernetes.Spec{Self: true, Container: "app"}}}
	m.calls = nil
	plan := m.planned(target, cpu(400))
	m.must(m.do(target, plan))
	m.must(m.driver.Finish(t.Context(), target, plan.Steps))
	if _, err := m.driver.Reconcile(t.Context(), target); err != nil {
		t.Error(err)
	}
	for _, call := range m.calls {
		if call != "get pods" && call != "patch pods/resize" {
			t.Errorf("a sidecar calls %q: only its own pod is its business", call)
		}
	}
	for _, p := range m.list("web") {
		want := map[string]string{own: "400m", other: "200m"}[p.Name]
		equal(t, p.Name, p.Spec.Containers[0].Resources.Limits.Cpu().String(), want)
	}
	m.must(m.undo(target, plan))
	_, err := m.driver.Plan(byRestart(target), m.observe(target), cpu(400))
	m.wants(err, actuators.ErrRefused, "only the own pod is touched")
}

// A pod that comes while a size differs from the template's has the template's.
func TestSuccessorOfAResizedPod(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 2, resources: ratio("100m", "200m")})
	m.commit(target, cpu(300))
	plan := m.planned(target, cpu(400))
	m.must(m.driver.Do(t.Context(), target, plan.Steps[0]))
	m.lose(m.list("web")[1].Name)
	m.must(m.driver.Do(t.Context(), target, plan.Steps[1]))
	equal(t, "sizes", m.sizes(target, policy.CPU), []string{"400m", "400m"})
	m.lose(m.list("web")[0].Name)
	m.must(m.undo(target, plan))
	equal(t, "sizes after undo", m.sizes(target, policy.CPU), []string{"300m", "300m"})
}

func TestTheKubeletKeepsMemoryInUse(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 1, resources: requirements("100m", "128Mi")})
	plan := m.planned(target, mem(64))
	m.set(func(m *model) {
		m.kubelet["*"] = kubelet{"PodResizeInProgress", "Error", "usage 70Mi is above the limit"}
	})
	m.wants(m.do(target, plan), actuators.ErrRefused, "page cache too", "usage 70Mi")
}
