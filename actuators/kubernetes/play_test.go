package kubernetes_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/policy"
)

// What tests do with a model.

func (m *model) observe(t policy.Target) actuators.State {
	m.t.Helper()
	st, err := m.driver.Observe(m.t.Context(), t)
	if err != nil {
		m.t.Fatalf("Observe: %v", err)
	}
	return st
}

func (m *model) planned(t policy.Target, to policy.Size) actuators.Plan {
	m.t.Helper()
	plan, err := m.driver.Plan(t, m.observe(t), to)
	if err != nil {
		m.t.Fatalf("Plan: %v", err)
	}
	text, err := json.Marshal(plan)
	if err != nil {
		m.t.Fatal(err)
	}
	var back actuators.Plan
	if err := json.Unmarshal(text, &back); err != nil {
		m.t.Fatal(err)
	}
	return back
}

func (m *model) do(t policy.Target, plan actuators.Plan) error {
	for _, s := range plan.Steps {
		if err := m.driver.Do(m.t.Context(), t, s); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) undo(t policy.Target, plan actuators.Plan) error {
	for i := len(plan.Steps) - 1; i >= 0; i-- {
		if err := m.driver.Undo(m.t.Context(), t, plan.Steps[i]); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// sizes are what the pods are told, by name.
func (m *model) sizes(t policy.Target, res policy.Resource) []string {
	var all []string
	for _, p := range m.observe(t).Parts {
		all = append(all, res.Format(p.Configured[res]))
	}
	return all
}

func (m *model) deployment(name string) *appsv1.Deployment {
	m.t.Helper()
	o, err := m.api.AppsV1().Deployments(namespace).Get(m.t.Context(), name, metav1.GetOptions{})
	m.must(err)
	return o
}

func (m *model) statefulSet(name string) *appsv1.StatefulSet {
	m.t.Helper()
	o, err := m.api.AppsV1().StatefulSets(namespace).Get(m.t.Context(), name, metav1.GetOptions{})
	m.must(err)
	return o
}

// changePod edits a pod as somebody else would.
func (m *model) changePod(name string, change func(*corev1.Pod)) {
	m.t.Helper()
	o, err := m.api.Tracker().Get(podsResource, namespace, name)
	m.must(err)
	p := o.(*corev1.Pod).DeepCopy()
	change(p)
	m.must(m.api.Tracker().Update(podsResource, p, namespace))
}

// lose ends a pod, and its controller makes another.
func (m *model) lose(name string) {
	m.t.Helper()
	m.must(m.api.CoreV1().Pods(namespace).Delete(m.t.Context(), name, metav1.DeleteOptions{}))
}

func (m *model) wants(err, kind error, texts ...string) {
	m.t.Helper()
	if !errors.Is(err, kind) {
		m.t.Errorf("error %v, want one that is %q", err, kind)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			m.t.Errorf("error %q does not say %q", err, text)
		}
	}
}

func specIn(t policy.Target) *kubernetes.Spec { return t.Specs["kubernetes"].(*kubernetes.Spec) }

func cpu(milli int64) policy.Size { return policy.Size{policy.CPU: policy.Amount(milli)} }

func mem(mib int64) policy.Size { return policy.Size{policy.Memory: policy.Amount(mib << 20)} }

func byRestart(t policy.Target) policy.Target {
	t.Apply = map[policy.Resource]policy.Apply{policy.CPU: policy.ApplyRestart, policy.Memory: policy.ApplyRestart}
	return t
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if string(g) != string(w) {
		t.Errorf("%s: %s, want %s", what, g, w)
	}
}
