package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
	cluster "github.com/engramd/engramd/testenv/kubernetes"
)

// A bench is a namespace of its own with the manifests' accounts and roles in it, and the driver under
// one of these accounts.
type bench struct {
	*cluster.Cluster
	t          *testing.T
	namespace  string
	kubeconfig string
	user       string
	driver     *kubernetes.Driver
}

func newBench(t *testing.T, account string, v variant) *bench {
	t.Helper()
	c := cluster.Shared(t)
	b := &bench{Cluster: c, t: t, namespace: c.Namespace(t), driver: kubernetes.New(nil)}
	t.Cleanup(func() { _ = b.driver.Close() })
	v.namespace = b.namespace
	b.apply(rolesIn(v.build(t))...)
	b.kubeconfig = b.access(account)
	b.user = fmt.Sprintf("system:serviceaccount:%s:%s", b.namespace, account)
	return b
}

// access writes a kubeconfig of an account, in the bench's namespace.
func (b *bench) access(account string) string {
	path := filepath.Join(b.t.TempDir(), account)
	b.WriteKubeconfig(b.t, path, b.AccountConfig(b.t, b.namespace, account))
	file, err := clientcmd.LoadFromFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, one := range file.Contexts {
		one.Namespace = b.namespace
	}
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// target is a target on the bench; spec's cluster is filled in.
func (b *bench) target(spec kubernetes.Spec) policy.Target {
	if !spec.Self {
		spec.Namespace, spec.Kubeconfig = b.namespace, b.kubeconfig
	}
	return policy.Target{Name: spec.Deployment + spec.StatefulSet + spec.DaemonSet + "-target", Specs: map[string]any{"kubernetes": &spec}}
}

// observe waits until the target is as ready says.
func (b *bench) observe(target policy.Target, what string, ready func(actuators.State) bool) actuators.State {
	b.t.Helper()
	var st actuators.State
	testenv.Eventually(b.t, time.Minute, what, func() bool {
		var err error
		st, err = b.driver.Observe(b.t.Context(), target)
		if err != nil && !errors.Is(err, actuators.ErrTransient) && !errors.Is(err, actuators.ErrNotFound) {
			b.t.Fatal(err)
		}
		return err == nil && ready(st)
	})
	return st
}

// settled waits until a target can be planned for.
func (b *bench) settled(target policy.Target, pods int) actuators.State {
	b.t.Helper()
	return b.observe(target, target.Name+" has settled", func(st actuators.State) bool {
		if len(st.Parts) != pods {
			return false
		}
		for _, p := range st.Parts {
			if p.Healthy != "healthy" {
				return false
			}
		}
		_, err := b.driver.Plan(target, st, policy.Size{})
		return err == nil
	})
}

// plan plans one change.
func (b *bench) plan(target policy.Target, st actuators.State, to policy.Size) actuators.Plan {
	b.t.Helper()
	plan, err := b.driver.Plan(target, st, to)
	if err != nil {
		b.t.Fatal(err)
	}
	if len(plan.Steps) == 0 {
		b.t.Fatalf("nothing to do for %v", to)
	}
	return plan
}

// do carries a plan out, trying again as the executor does.
func (b *bench) do(target policy.Target, plan actuators.Plan) {
	b.t.Helper()
	for _, s := range plan.Steps {
		b.again(s.Text, func(ctx context.Context) error { return b.driver.Do(ctx, target, s) })
	}
}

// undo takes a plan back, last step first.
func (b *bench) undo(target policy.Target, plan actuators.Plan) {
	b.t.Helper()
	for i := len(plan.Steps) - 1; i >= 0; i-- {
		s := plan.Steps[i]
		b.again("undo "+s.Text, func(ctx context.Context) error { return b.driver.Undo(ctx, target, s) })
	}
}

func (b *bench) again(what string, call func(context.Context) error) {
	b.t.Helper()
	var err error
	defer func() {
		if err != nil {
			b.t.Logf("%s: %v", what, err)
		}
	}()
	testenv.Eventually(b.t, time.Minute, what, func() bool {
		err = call(b.t.Context())
		if err != nil && !errors.Is(err, actuators.ErrTransient) {
			b.t.Fatalf("%s: %v", what, err)
		}
		return err == nil
	})
}

// lock goes through all that a lock does.
func (b *bench) lock(target policy.Target) {
	b.t.Helper()
	l, _, err := b.driver.Lock(b.t.Context(), target, "bench")
	if err != nil {
		b.t.Fatal(err)
	}
	for what, err := range map[string]error{
		"check": l.Check(), "record": l.Record(actuators.Action{ID: "one"}), "clear": l.Clear("one"), "close": l.Close(),
	} {
		if err != nil {
			b.t.Errorf("%s: %v", what, err)
		}
	}
	leases, err := b.Client().CoordinationV1().Leases(b.namespace).List(b.t.Context(), metav1.ListOptions{})
	if err != nil || len(leases.Items) > 0 {
		b.t.Errorf("leases left: %v, %v", leases.Items, err)
	}
}

// events records one event twice, and wants to see it counted.
func (b *bench) events(target policy.Target) {
	b.t.Helper()
	e := policy.Event{Type: policy.EventState, Severity: policy.Info, Outcome: "committed", Resource: policy.CPU, Action: "one", Message: "done"}
	for range 2 {
		if err := b.driver.RecordEvent(b.t.Context(), target, e); err != nil {
			b.t.Fatal(err)
		}
	}
	list, err := b.Client().EventsV1().Events(b.namespace).List(b.t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=engramd"})
	if err != nil || len(list.Items) != 1 {
		b.t.Fatalf("events: %v, %v", list, err)
	}
	got := list.Items[0]
	if got.Reason != "ResizeCommitted" || got.Type != "Normal" || got.Series == nil || got.Series.Count != 2 || got.Note != "done (engramd explain one)" {
		b.t.Errorf("got %+v", got)
	}
}

func (b *bench) apply(objects ...*unstructured.Unstructured) {
	b.t.Helper()
	b.Apply(b.t, b.namespace, text(b.t, objects))
	b.t.Cleanup(func() {
		for _, o := range objects { // what is in no namespace does not go with it
			var err error
			switch roles := b.Client().RbacV1(); o.GetKind() {
			case "ClusterRole":
				err = roles.ClusterRoles().Delete(context.Background(), o.GetName(), metav1.DeleteOptions{})
			case "ClusterRoleBinding":
				err = roles.ClusterRoleBindings().Delete(context.Background(), o.GetName(), metav1.DeleteOptions{})
			}
			if err != nil {
				b.t.Errorf("delete %s %s: %v", o.GetKind(), o.GetName(), err)
			}
		}
	})
}
