package kubernetes_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// managed are the managed fields of the specification, but for their times.
func managed(o metav1.Object) map[string]any {
	all := make(map[string]any)
	for _, e := range o.GetManagedFields() {
		var tree map[string]any
		_ = json.Unmarshal(e.FieldsV1.GetRawBytes(), &tree)
		if spec, ok := tree["f:spec"]; ok {
			all[e.Manager+" "+string(e.Operation)] = spec
		}
	}
	return all
}

func TestRolloutGivesOwnershipBack(t *testing.T) {
	m := newModel(t)
	target := byRestart(m.start(service{pods: 3, resources: requirements("200m", "64Mi")}))
	before := managed(m.deployment("web"))
	plan := m.planned(target, cpu(400))
	m.must(m.do(target, plan))
	equal(t, "sizes", m.sizes(target, policy.CPU), []string{"400m", "400m", "400m"})
	if cmp.Equal(before, managed(m.deployment("web"))) {
		t.Error("the fields are not ours after the change")
	}
	for range 2 {
		m.must(m.undo(target, plan))
		equal(t, "sizes after undo", m.sizes(target, policy.CPU), []string{"200m", "200m", "200m"})
		if diff := cmp.Diff(before, managed(m.deployment("web"))); diff != "" {
			t.Errorf("managed fields after undo (-before +after):\n%s", diff)
		}
	}
}

// Limit and request may have been written by different hands.
func TestRolloutGivesOwnershipBackToEach(t *testing.T) {
	m := newModel(t)
	target := byRestart(m.start(service{pods: 1, resources: ratio("100m", "200m")}))
	m.changeTemplate("web", func(c *corev1.Container) { c.Resources.Limits = quantities("300m") })
	before := managed(m.deployment("web"))
	if _, ok := before["kubectl-edit Update"]; !ok {
		t.Fatal("the limit is not that of the other manager")
	}
	plan := m.planned(target, cpu(600))
	m.must(m.do(target, plan))
	for range 2 {
		m.must(m.undo(target, plan))
		if diff := cmp.Diff(before, managed(m.deployment("web"))); diff != "" {
			t.Errorf("managed fields after undo (-before +after):\n%s", diff)
		}
	}
}

// An apply says all that a manager wants: a second one must not drop what the first one set.
func TestSecondRolloutKeepsTheFirst(t *testing.T) {
	m := newModel(t)
	target := byRestart(m.start(service{pods: 1, resources: requirements("200m", "64Mi")}))
	m.commit(target, cpu(400))
	between := managed(m.deployment("web"))
	plan := m.planned(target, mem(128))
	m.must(m.do(target, plan))
	equal(t, "cpu", m.sizes(target, policy.CPU), []string{"400m"})
	equal(t, "memory", m.sizes(target, policy.Memory), []string{"128Mi"})
	m.must(m.undo(target, plan))
	equal(t, "cpu after undo", m.sizes(target, policy.CPU), []string{"400m"})
	equal(t, "memory after undo", m.sizes(target, policy.Memory), []string{"64Mi"})
	if diff := cmp.Diff(between, managed(m.deployment("web"))); diff != "" {
		t.Errorf("managed fields after undo (-before +after):\n%s", diff)
	}
	again := m.planned(target, cpu(800))
	m.must(m.do(target, again))
	m.must(m.undo(target, again))
	equal(t, "cpu after the undo of a second change of it", m.sizes(target, policy.CPU), []string{"400m"})
	if diff := cmp.Diff(between, managed(m.deployment("web"))); diff != "" {
		t.Errorf("managed fields after the undo of a second change (-before +after):\n%s", diff)
	}
}

func TestABadRolloutIsTakenBackAndTheUsersImageStays(t *testing.T) {
	for _, kind := range []string{"Deployment", "StatefulSet"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel(t)
				target := byRestart(m.start(service{kind: kind, pods: 3, resources: ratio("100m", "200m")}))
				plan := m.planned(target, cpu(400))
				m.set(func(m *model) { m.broken = true })
				began := time.Now()
				m.wants(m.do(target, plan), actuators.ErrTransient, "1 of 3 pods are new, 0 of them available")
				if took := time.Since(began); took > 2*time.Minute {
					t.Errorf("the wait took %s, longer than a call may", took)
				}
				m.set(func(m *model) { m.broken = false })
				m.newImage(kind)
				m.must(m.undo(target, plan))
				equal(t, "sizes after undo", m.sizes(target, policy.CPU), []string{"200m", "200m", "200m"})
				template := m.template(kind)
				equal(t, "image", template.Spec.Containers[0].Image, "app:2")
				for _, p := range m.list("web") {
					if !isReady(p) {
						t.Errorf("%s is still stuck", p.Name)
					}
				}
			})
		})
	}
}

func isReady(p corev1.Pod) bool {
	return len(p.Status.Conditions) > 0 && p.Status.Conditions[0].Status == corev1.ConditionTrue
}

func (m *model) template(kind string) *corev1.PodTemplateSpec {
	if kind == "Deployment" {
		return &m.deployment("web").Spec.Template
	}
	return &m.statefulSet("web").Spec.Template
}

// newImage changes the image as the user does, without a word to the controllers: the rollout under way
// takes it up.
func (m *model) newImage(kind string) {
	m.t.Helper()
	if kind == "Deployment" {
		o := m.deployment("web")
		o.Spec.Template.Spec.Containers[0].Image = "app:2"
		m.must(m.api.Tracker().Update(deploymentsResource, o, namespace, metav1.UpdateOptions{FieldManager: "kubectl-edit"}))
		return
	}
	o := m.statefulSet("web")
	o.Spec.Template.Spec.Containers[0].Image = "app:2"
	m.must(m.api.Tracker().Update(statefulSetsResource, o, namespace, metav1.UpdateOptions{FieldManager: "kubectl-edit"}))
}

// A StatefulSet replaces no pod while another is not ready, not even by a template that would cure it.
func TestAStuckStatefulSetIsFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		target := byRestart(m.start(service{kind: "StatefulSet", pods: 3, resources: ratio("100m", "200m")}))
		plan := m.planned(target, cpu(400))
		m.set(func(m *model) { m.broken = true })
		m.wants(m.do(target, plan), actuators.ErrTransient)
		m.set(func(m *model) { m.stuck = true })
		m.undoWhen(target, plan, func() { m.set(func(m *model) { m.broken = false }) })
		equal(t, "sizes after undo", m.sizes(target, policy.CPU), []string{"200m", "200m", "200m"})
	})
}

// undoWhen runs the undo, and change a little later.
func (m *model) undoWhen(t policy.Target, plan actuators.Plan, change func()) {
	m.t.Helper()
	timer := time.AfterFunc(3*time.Second, change)
	defer timer.Stop()
	m.must(m.undo(t, plan))
}

func TestTheRolloutFails(t *testing.T) {
	cases := []struct {
		name   string
		change func(*model)
		want   string
	}{
		{"progress deadline", func(m *model) {
			o := m.deployment("web")
			o.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Reason: "ProgressDeadlineExceeded", Message: `ReplicaSet "web-2" has timed out progressing.`}}
			m.must(m.api.Tracker().Update(deploymentsResource, o, namespace))
		}, "has timed out progressing"},
		{"crashes", func(m *model) {
			for _, p := range m.list("web") {
				m.changePod(p.Name, func(p *corev1.Pod) {
					s := &p.Status.ContainerStatuses[0]
					s.RestartCount = 3
					s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
					s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137}
				})
			}
		}, "crashed 3 times (OOMKilled, exit code 137)"},
		{"the template is changed meanwhile", func(m *model) {
			o := m.deployment("web")
			o.Spec.Template.Spec.Containers[0].Resources = ratio("150m", "300m")
			m.must(m.api.Tracker().Update(deploymentsResource, o, namespace))
		}, "somebody else changed it"},
		{"the workload is deleted", func(m *model) {
			m.must(m.api.Tracker().Delete(deploymentsResource, namespace, "web"))
		}, "target not found"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := newModel(t)
			target := byRestart(m.start(service{pods: 1, resources: ratio("100m", "200m")}))
			plan := m.planned(target, cpu(400))
			m.set(func(m *model) { m.broken = true })
			m.must(m.driver.Do(t.Context(), target, plan.Steps[0]))
			c.change(m)
			err := m.driver.Do(t.Context(), target, plan.Steps[1])
			m.wants(err, err, c.want)
			if err == nil {
				t.Error("no error")
			}
		})
	}
}

// What somebody else has written into the template stays, and the undo says so before it does anything.
func TestAnotherChangeOfTheTemplateStays(t *testing.T) {
	m := newModel(t)
	target := byRestart(m.start(service{pods: 2, resources: ratio("100m", "200m")}))
	plan := m.planned(target, cpu(400))
	m.must(m.do(target, plan))
	m.changeTemplate("web", func(c *corev1.Container) { c.Resources = ratio("150m", "300m") })
	m.wants(m.driver.Undo(t.Context(), target, plan.Steps[len(plan.Steps)-1]), actuators.ErrRefused, "somebody else changed it, and that stays")
	m.wants(m.driver.Undo(t.Context(), target, plan.Steps[0]), actuators.ErrRefused)
	equal(t, "sizes", m.sizes(target, policy.CPU), []string{"300m", "300m"})
	m.wants(m.driver.Do(t.Context(), target, plan.Steps[0]), actuators.ErrRefused)
}

func TestUndoOfARolloutReturnsToTheCommittedSize(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 2, resources: ratio("100m", "200m")})
	m.commit(target, cpu(300))
	plan := m.planned(byRestart(target), cpu(400))
	m.must(m.do(target, plan))
	m.must(m.undo(target, plan))
	equal(t, "sizes after undo", m.sizes(target, policy.CPU), []string{"300m", "300m"})
	equal(t, "template", m.deployment("web").Spec.Template.Spec.Containers[0].Resources.Limits.Cpu().String(), "200m")
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		target := byRestart(m.start(service{pods: 2, resources: ratio("100m", "200m")}))
		plan := m.planned(target, cpu(400))
		m.set(func(m *model) { m.broken = true })
		m.must(m.driver.Do(t.Context(), target, plan.Steps[0]))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		m.wants(m.driver.Do(ctx, target, plan.Steps[1]), actuators.ErrTransient)
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("took %s", took)
		}
	})
}
