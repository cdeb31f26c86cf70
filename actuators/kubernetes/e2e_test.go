package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/conformance"
	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
	cluster "github.com/engramd/engramd/testenv/kubernetes"
)

// A bench is a namespace of its own on a real node, and a driver for it.
type bench struct {
	*cluster.Cluster
	t         *testing.T
	namespace string
	image     string
	driver    *kubernetes.Driver
}

func newBench(t *testing.T) *bench {
	c := cluster.Shared(t)
	b := &bench{Cluster: c, t: t, namespace: c.Namespace(t), image: c.LoadWorkload(t, "", nil), driver: kubernetes.New(nil)}
	t.Cleanup(func() { _ = b.driver.Close() })
	return b
}

// spec is the kubernetes section of a target of the bench.
func (b *bench) spec(kind, name string) *kubernetes.Spec {
	s := &kubernetes.Spec{Namespace: b.namespace, Container: "app", Kubeconfig: b.Kubeconfig()}
	switch kind {
	case "Deployment":
		s.Deployment = name
	case "StatefulSet":
		s.StatefulSet = name
	case "DaemonSet":
		s.DaemonSet = name
	}
	return s
}

func (b *bench) target(kind, name string) policy.Target {
	return policy.Target{Name: name, Specs: map[string]any{"kubernetes": b.spec(kind, name)}}
}

// template is a pod of the workload, which is gone soon after it is told to.
func (b *bench) template(s service) corev1.PodTemplateSpec {
	probe := &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/health", Port: intstr.FromInt32(8080)}}}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": s.name}},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(int64(1)),
			Containers: []corev1.Container{{
				Name: "app", Image: b.image, ImagePullPolicy: corev1.PullNever, Resources: s.resources, ReadinessProbe: probe,
			}},
		},
	}
	if s.change != nil {
		s.change(&template)
	}
	return template
}

// run starts a workload and waits until its pods are ready.
func (b *bench) run(t *testing.T, s service) policy.Target {
	t.Helper()
	labels := &metav1.LabelSelector{MatchLabels: map[string]string{"app": s.name}}
	meta, n := metav1.ObjectMeta{Name: s.name}, int32(s.pods)
	apps, ctx, opts := b.Client().AppsV1(), t.Context(), metav1.CreateOptions{FieldManager: "kubectl-create"}
	var err error
	switch s.kind {
	case "Deployment":
		_, err = apps.Deployments(b.namespace).Create(ctx, &appsv1.Deployment{ObjectMeta: meta,
			Spec: appsv1.DeploymentSpec{Replicas: &n, Selector: labels, Template: b.template(s), ProgressDeadlineSeconds: new(int32(15))}}, opts)
	case "StatefulSet":
		_, err = apps.StatefulSets(b.namespace).Create(ctx, &appsv1.StatefulSet{ObjectMeta: meta,
			Spec: appsv1.StatefulSetSpec{Replicas: &n, Selector: labels, Template: b.template(s)}}, opts)
	case "DaemonSet":
		_, err = apps.DaemonSets(b.namespace).Create(ctx, &appsv1.DaemonSet{ObjectMeta: meta,
			Spec: appsv1.DaemonSetSpec{Selector: labels, Template: b.template(s)}}, opts)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.AwaitPods(t, b.namespace, "app="+s.name, s.pods)
	target := b.target(s.kind, s.name)
	testenv.Eventually(t, 30*time.Second, "the controller has counted its pods", func() bool {
		st, err := b.driver.Observe(t.Context(), target)
		if err != nil || len(st.Parts) != s.pods {
			return false
		}
		_, err = b.driver.Plan(target, st, policy.Size{})
		return err == nil
	})
	return target
}

// remove deletes a workload and waits until its pods are gone.
func (b *bench) remove(t *testing.T, s service) {
	now, apps, ctx := metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}, b.Client().AppsV1(), context.Background()
	var err error
	switch s.kind {
	case "Deployment":
		err = apps.Deployments(b.namespace).Delete(ctx, s.name, now)
	case "StatefulSet":
		err = apps.StatefulSets(b.namespace).Delete(ctx, s.name, now)
	}
	if err != nil {
		t.Errorf("remove %s: %v", s.name, err)
	}
}

func (b *bench) observe(t *testing.T, target policy.Target) actuators.State {
	t.Helper()
	st, err := b.driver.Observe(t.Context(), target)
	if err != nil {
		t.Fatalf("Observe: %v", err)
	}
	return st
}

func (b *bench) plan(t *testing.T, target policy.Target, to policy.Size) actuators.Plan {
	t.Helper()
	plan, err := b.driver.Plan(target, b.observe(t, target), to)
	if err != nil {
		t.Fatalf("Plan: %v", err)
	}
	return plan
}

// insist carries steps out as the executor does: what may go away by itself is tried again for a while.
func (b *bench) insist(t *testing.T, steps []actuators.Step, step func(context.Context, actuators.Step) error) error {
	t.Helper()
	for _, s := range steps {
		err := tryFor(t.Context(), time.Minute, func(ctx context.Context) error { return step(ctx, s) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) do(t *testing.T, target policy.Target, plan actuators.Plan) error {
	t.Helper()
	return b.insist(t, plan.Steps, func(ctx context.Context, s actuators.Step) error { return b.driver.Do(ctx, target, s) })
}

func (b *bench) undo(t *testing.T, target policy.Target, plan actuators.Plan) error {
	t.Helper()
	steps := make([]actuators.Step, 0, len(plan.Steps))
	for i := range plan.Steps {
		steps = append(steps, plan.Steps[len(plan.Steps)-1-i])
	}
	return b.insist(t, steps, func(ctx context.Context, s actuators.Step) error { return b.driver.Undo(ctx, target, s) })
}

// tryFor calls f until it fails no more, or with what will not go away by itself.
func tryFor(ctx context.Context, bound time.Duration, f func(context.Context) error) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; {
		err := f(ctx)
		if err == nil || !errors.Is(err, actuators.ErrTransient) || time.Since(began) > bound {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// TestE2EConformance runs the suite on a real node, with one move of each kind: more CPU, less memory, a rollout. The model is tried
// with all of them.
func TestE2EConformance(t *testing.T) {
	b, all := newBench(t), moves()
	made := 0
	conformance.Run(t, conformance.Suite{
		Patience: time.Minute,
		Fresh: func(t *testing.T, sizes policy.Size) conformance.Harness {
			made++
			s := service{kind: "StatefulSet", name: fmt.Sprintf("engram-%d", made), pods: 2, resources: sized(sizes)}
			target := b.run(t, s)
			t.Cleanup(func() { b.remove(t, s) })
			return conformance.Harness{
				Driver: b.driver, Target: target, Absent: b.target("StatefulSet", "nobody"),
				Away: func(t *testing.T) { b.StopAPIServer(t) },
				Back: func(t *testing.T) { b.StartAPIServer(t) },
			}
		},
		Moves: []conformance.Move{all[0], all[3], all[4]}, Refused: refused(),
	})
}
