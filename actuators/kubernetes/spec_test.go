package kubernetes_test

import (
	"strings"
	"testing"

	"github.com/engramd/engramd/actuators/kubernetes"
)

func TestCheck(t *testing.T) {
	cases := []struct {
		name string
		spec kubernetes.Spec
		want string // "" is well
	}{
		{"a Deployment", kubernetes.Spec{Deployment: "web"}, ""},
		{"all keys", kubernetes.Spec{Namespace: "prod", StatefulSet: "db", Container: "pg", Volume: "data", Controls: kubernetes.ControlLimits,
			Persist: kubernetes.PersistRestart, Infeasible: kubernetes.InfeasibleRestart, Kubeconfig: "/etc/k", Context: "c"}, ""},
		{"self", kubernetes.Spec{Self: true, Container: "app"}, ""},
		{"nothing", kubernetes.Spec{Namespace: "prod"}, "give one of deployment"},
		{"two", kubernetes.Spec{Deployment: "web", DaemonSet: "web"}, "give only one"},
		{"self and another", kubernetes.Spec{Deployment: "web", Self: true}, "give only one"},
		{"self elsewhere", kubernetes.Spec{Self: true, Context: "other"}, "drop namespace"},
		{"self by rollout", kubernetes.Spec{Self: true, Persist: kubernetes.PersistRestart}, "nothing can be rolled out"},
		{"a bad name", kubernetes.Spec{Deployment: "Web"}, `deployment "Web"`},
		{"a bad namespace", kubernetes.Spec{Deployment: "web", Namespace: "a/b"}, `namespace "a/b"`},
		{"a bad container", kubernetes.Spec{Deployment: "web", Container: "a b"}, `container "a b"`},
		{"bad controls", kubernetes.Spec{Deployment: "web", Controls: "all"}, `want one of ["both" "requests" "limits"]`},
		{"several faults", kubernetes.Spec{Deployment: "Web", Persist: "always"}, "persist"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := kubernetes.Check(&c.spec)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	if kubernetes.Check("web") == nil {
		t.Error("a spec of another type is taken")
	}
	s := kubernetes.Spec{Deployment: "web"}
	_ = kubernetes.Check(&s)
	if s.Controls != kubernetes.ControlBoth || s.Persist != kubernetes.PersistPrint || s.Infeasible != kubernetes.InfeasibleReport {
		t.Errorf("defaults %+v", s)
	}
}
