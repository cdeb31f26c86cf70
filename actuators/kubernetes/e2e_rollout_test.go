package kubernetes_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
)

func env(name, value string) func(*corev1.PodTemplateSpec) {
	return func(p *corev1.PodTemplateSpec) {
		p.Spec.Containers[0].Env = append(p.Spec.Containers[0].Env, corev1.EnvVar{Name: name, Value: value})
	}
}

func (b *bench) object(t *testing.T, kind, name string) (metav1.Object, corev1.PodTemplateSpec) {
	t.Helper()
	apps := b.Client().AppsV1()
	switch kind {
	case "Deployment":
		o, err := apps.Deployments(b.namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return o, o.Spec.Template
	case "DaemonSet":
		o, err := apps.DaemonSets(b.namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return o, o.Spec.Template
	}
	o, err := apps.StatefulSets(b.namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return o, o.Spec.Template
}

// A size with which the pods never become ready is taken back, the pods run as before, and what the user changed meanwhile
// is still there. A StatefulSet does not stay stuck in the pod that never became ready.
func TestE2EABadRolloutIsTakenBack(t *testing.T) {
	for _, kind := range []string{"Deployment", "StatefulSet"} {
		t.Run(kind, func(t *testing.T) {
			b := newBench(t)
			target := byRestart(b.run(t, service{kind: kind, name: "web", pods: 3, resources: requirements("100m", "64Mi"), change: env("WORKLOAD_UNHEALTHY", "cpus>0.15")}))
			before, _ := b.object(t, kind, "web")
			plan := b.plan(t, target, cpu(200))
			if err := b.driver.Do(t.Context(), target, plan.Steps[0]); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			defer cancel()
			err := b.driver.Do(ctx, target, plan.Steps[1])
			if err == nil {
				t.Fatal("a rollout whose pods never become ready is done")
			}
			if kind == "Deployment" && !strings.Contains(err.Error(), "has timed out progressing") {
				t.Errorf("error %q, want the Deployment's own deadline", err)
			}
			if kind == "StatefulSet" {
				wants(t, err, actuators.ErrTransient, "1 of 3 pods are new, 0 of them available")
			}
			b.setTemplate(t, kind, "web", newVariable)
			if err := b.undo(t, target, plan); err != nil {
				t.Fatalf("undo: %v", err)
			}
			b.AwaitPods(t, b.namespace, "app=web", 3)
			equal(t, "sizes after undo", b.sizes(t, target, policy.CPU), []string{"100m", "100m", "100m"})
			after, template := b.object(t, kind, "web")
			if vars := template.Spec.Containers[0].Env; len(vars) != 2 || vars[0].Name == vars[1].Name {
				t.Errorf("env %v: what the user changed meanwhile is gone", vars)
			}
			diff := cmp.Diff(managed(before)["kubectl-create Update"], managed(after)["kubectl-create Update"])
			if _, ours := managed(after)["engramd Apply"]; ours || diff != "" {
				t.Errorf("we still apply: %v; the creator's fields (-before +after):\n%s", ours, diff)
			}
		})
	}
}

// A rollout of each kind there and back: nothing of ours is left among the managed fields.
func TestE2ERolloutAndBack(t *testing.T) {
	for _, kind := range []string{"Deployment", "DaemonSet"} {
		t.Run(kind, func(t *testing.T) {
			b := newBench(t)
			pods := map[string]int{"Deployment": 2, "DaemonSet": 1}[kind]
			target := byRestart(b.run(t, service{kind: kind, name: "web", pods: pods, resources: requirements("100m", "64Mi")}))
			before, _ := b.object(t, kind, "web")
			if kind == "Deployment" { // limit and request of different hands
				b.setTemplate(t, kind, "web", `{"spec":{"template":{"spec":{"containers":[{"name":"app","resources":{"requests":{"cpu":"90m"}}}]}}}}`)
				testenv.Eventually(t, time.Minute, "the rollout is over", func() bool {
					_, err := b.driver.Plan(target, b.observe(t, target), cpu(200))
					return err == nil
				})
				before, _ = b.object(t, kind, "web")
			}
			plan := b.plan(t, target, cpu(200))
			if err := b.do(t, target, plan); err != nil {
				t.Fatal(err)
			}
			for _, got := range b.sizes(t, target, policy.CPU) {
				equal(t, "size", got, "200m")
			}
			if err := b.undo(t, target, plan); err != nil {
				t.Fatal(err)
			}
			for _, got := range b.sizes(t, target, policy.CPU) {
				equal(t, "size after undo", got, "100m")
			}
			after, _ := b.object(t, kind, "web")
			if diff := cmp.Diff(managed(before), managed(after)); diff != "" {
				t.Errorf("managed fields (-before +after):\n%s", diff)
			}
		})
	}
}

// Somebody applies these fields again and again: the change is theirs to make.
func TestE2EFieldsOfAnApplier(t *testing.T) {
	b := newBench(t)
	target := byRestart(b.run(t, service{kind: "Deployment", name: "web", pods: 1, resources: requirements("100m", "64Mi")}))
	plan := b.plan(t, target, cpu(200))
	text := `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"template":{"spec":{"containers":[{"name":"app","resources":{"limits":{"cpu":"100m"}}}]}}}}`
	_, err := b.Client().AppsV1().Deployments(b.namespace).Patch(t.Context(), "web", types.ApplyPatchType, []byte(text), metav1.PatchOptions{FieldManager: "argocd", Force: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, b.driver.Do(t.Context(), target, plan.Steps[0]), actuators.ErrRefused, "belongs to argocd")
	_, err = b.driver.Plan(target, b.observe(t, target), cpu(200))
	wants(t, err, actuators.ErrRefused, "belongs to argocd")
}

// The API server goes away in the middle of a rollout, and comes back.
func TestE2EAPIServerAwayMidRollout(t *testing.T) {
	b := newBench(t)
	target := byRestart(b.run(t, service{kind: "Deployment", name: "web", pods: 2, resources: requirements("100m", "64Mi")}))
	plan := b.plan(t, target, cpu(200))
	if err := b.driver.Do(t.Context(), target, plan.Steps[0]); err != nil {
		t.Fatal(err)
	}
	b.StopAPIServer(t)
	wants(t, b.driver.Do(t.Context(), target, plan.Steps[1]), actuators.ErrTransient, "is the API server up")
	wants(t, b.driver.Undo(t.Context(), target, plan.Steps[0]), actuators.ErrTransient)
	b.StartAPIServer(t)
	if err := b.do(t, target, plan); err != nil {
		t.Fatal(err)
	}
	equal(t, "sizes", b.sizes(t, target, policy.CPU), []string{"200m", "200m"})
}

// The user chooses other resources after us: that stays.
func TestE2EAnotherChangeOfTheTemplateStays(t *testing.T) {
	b := newBench(t)
	target := byRestart(b.run(t, service{kind: "Deployment", name: "web", pods: 1, resources: requirements("100m", "64Mi")}))
	plan := b.plan(t, target, cpu(200))
	if err := b.do(t, target, plan); err != nil {
		t.Fatal(err)
	}
	b.setTemplate(t, "Deployment", "web", `{"spec":{"template":{"spec":{"containers":[{"name":"app","resources":{"limits":{"cpu":"150m"},"requests":{"cpu":"150m"}}}]}}}}`)
	wants(t, b.undo(t, target, plan), actuators.ErrRefused, "somebody else changed it, and that stays")
	testenv.Eventually(t, time.Minute, "the user's size holds", func() bool {
		return strings.Join(b.sizes(t, target, policy.CPU), " ") == "150m"
	})
}
