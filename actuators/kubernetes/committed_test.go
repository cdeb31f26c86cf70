package kubernetes_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

const note = "committed.engramd.io/app"

// commit carries a plan out and commits it.
func (m *model) commit(t policy.Target, to policy.Size) actuators.Plan {
	m.t.Helper()
	plan := m.planned(t, to)
	m.must(m.do(t, plan))
	m.must(m.driver.Finish(m.t.Context(), t, plan.Steps))
	m.must(m.driver.Finish(m.t.Context(), t, plan.Steps))
	return plan
}

func (m *model) reconcile(t policy.Target) string {
	m.t.Helper()
	done, err := m.driver.Reconcile(m.t.Context(), t)
	m.must(err)
	return strings.Join(done, "\n")
}

// changeTemplate rolls a Deployment out as its user does.
func (m *model) changeTemplate(name string, change func(*corev1.Container)) {
	m.t.Helper()
	o := m.deployment(name)
	change(&o.Spec.Template.Spec.Containers[0])
	o, err := m.api.AppsV1().Deployments(namespace).Update(m.t.Context(), o, metav1.UpdateOptions{FieldManager: "kubectl-edit"})
	m.must(err)
	m.set(func(m *model) { m.must(m.replace(o.DeepCopy(), &o.Spec.Template)) })
}

func TestLaterPodsGetTheCommittedSize(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 3, resources: ratio("100m", "200m")})
	m.commit(target, cpu(400))
	if got := m.deployment("web").Annotations[note]; !strings.Contains(got, `"limit":"400m"`) {
		t.Fatalf("note %q", got)
	}
	if done := m.reconcile(target); done != "" {
		t.Errorf("reconcile did %q with nothing to do", done)
	}
	m.changeTemplate("web", func(c *corev1.Container) { c.Image = "app:2" })
	equal(t, "sizes after a rollout", m.sizes(target, policy.CPU), []string{"200m", "200m", "200m"})
	if done := m.reconcile(target); strings.Count(done, "has come since: cpu 200m (request 100m) -> 400m (request 200m)") != 3 {
		t.Errorf("reconcile did %q", done)
	}
	equal(t, "sizes after reconcile", m.sizes(target, policy.CPU), []string{"400m", "400m", "400m"})
	equal(t, "image", m.list("web")[0].Spec.Containers[0].Image, "app:2")
}

func TestOnlyPodsThatRunAndHaveTheTemplatesSize(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 3, resources: ratio("100m", "200m")})
	m.commit(target, cpu(400))
	m.changeTemplate("web", func(c *corev1.Container) { c.Image = "app:2" })
	pods := m.list("web")
	m.changePod(pods[0].Name, func(p *corev1.Pod) {
		p.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}
	})
	m.changePod(pods[1].Name, func(p *corev1.Pod) { p.Spec.Containers[0].Resources = ratio("300m", "600m") })
	m.reconcile(target)
	equal(t, "sizes", m.sizes(target, policy.CPU), []string{"200m", "600m", "400m"})
}

func TestTheUsersNewTemplateVoidsTheNote(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 2, resources: requirements("200m", "64Mi")})
	m.commit(target, cpu(400))
	m.commit(target, mem(128))
	m.changeTemplate("web", func(c *corev1.Container) {
		c.Resources.Limits[corev1.ResourceCPU] = quantities("300m")[corev1.ResourceCPU]
		c.Resources.Requests[corev1.ResourceCPU] = quantities("300m")[corev1.ResourceCPU]
	})
	if done := m.reconcile(target); !strings.Contains(done, "no longer holds") {
		t.Errorf("reconcile did %q", done)
	}
	equal(t, "cpu", m.sizes(target, policy.CPU), []string{"300m", "300m"})
	equal(t, "memory", m.sizes(target, policy.Memory), []string{"128Mi", "128Mi"})
	if got := m.deployment("web").Annotations[note]; strings.Contains(got, "cpu") || !strings.Contains(got, "memory") {
		t.Errorf("note %q", got)
	}
}

func TestAChangeBackLeavesNoNote(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 2, resources: ratio("100m", "200m")})
	m.commit(target, cpu(400))
	m.commit(target, cpu(200))
	if got, ok := m.deployment("web").Annotations[note]; ok {
		t.Errorf("note %q", got)
	}
	m.commit(target, cpu(400))
	m.commit(byRestart(target), cpu(800))
	if got, ok := m.deployment("web").Annotations[note]; ok {
		t.Errorf("note %q after a rollout, whose size is in the template", got)
	}
}

// A pod that came while a second change was watched got the size that was committed then.
func TestAPodFromBetweenTwoCommits(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 2, resources: ratio("100m", "200m")})
	m.commit(target, cpu(300))
	plan := m.planned(target, cpu(400))
	m.must(m.do(target, plan))
	m.lose(m.list("web")[0].Name)
	m.reconcile(target)
	equal(t, "sizes while it is watched", m.sizes(target, policy.CPU), []string{"300m", "400m"})
	m.must(m.driver.Finish(t.Context(), target, plan.Steps))
	m.must(m.driver.Finish(t.Context(), target, plan.Steps))
	m.reconcile(target)
	equal(t, "sizes", m.sizes(target, policy.CPU), []string{"400m", "400m"})
}

// The template may be changed after the change and before its commit.
func TestFinishAfterTheUserChose(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 2, resources: ratio("100m", "200m")})
	plan := m.planned(target, cpu(400))
	m.must(m.do(target, plan))
	m.changeTemplate("web", func(c *corev1.Container) { c.Resources = ratio("150m", "300m") })
	m.must(m.driver.Finish(t.Context(), target, plan.Steps))
	if got, ok := m.deployment("web").Annotations[note]; ok {
		t.Errorf("note %q", got)
	}
}

func TestReconcileKeepsAwayFromPaused(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 2, resources: ratio("100m", "200m")})
	m.commit(target, cpu(400))
	m.changeTemplate("web", func(c *corev1.Container) { c.Image = "app:2" })
	o := m.deployment("web")
	o.Labels = map[string]string{"engramd.io/pause": "true"}
	m.must(m.api.Tracker().Update(deploymentsResource, o, namespace))
	if done := m.reconcile(target); done != "" {
		t.Errorf("reconcile did %q", done)
	}
	equal(t, "sizes", m.sizes(target, policy.CPU), []string{"200m", "200m"})
}

func TestReconcileSaysWhatCannotBe(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 2, resources: ratio("100m", "200m")})
	m.commit(target, cpu(400))
	m.changeTemplate("web", func(c *corev1.Container) { c.Image = "app:2" })
	m.set(func(m *model) { m.kubelet["*"] = kubelet{"PodResizePending", "Infeasible", "no room"} })
	m.reconcile(target)
	_, err := m.driver.Reconcile(t.Context(), target)
	m.wants(err, actuators.ErrRefused, "no room")
}

func TestGarbageInTheNote(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 1, resources: ratio("100m", "200m")})
	m.set(func(m *model) {
		o, _ := m.api.Tracker().Get(deploymentsResource, namespace, "web")
		d := o.(*appsv1.Deployment).DeepCopy()
		d.Annotations = map[string]string{note: "{"}
		m.must(m.api.Tracker().Update(deploymentsResource, d, namespace))
	})
	m.reconcile(target)
	if got, ok := m.deployment("web").Annotations[note]; ok {
		t.Errorf("note %q", got)
	}
}
