package kubernetes_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

var (
	errConflict error = apierrors.NewConflict(schema.GroupResource{Resource: "pods"}, "web", fmt.Errorf("the object has been modified"))
	errInternal error = apierrors.NewInternalError(fmt.Errorf("etcdserver: leader changed"))
)

// Every call that a change makes fails once; then the change is taken back, with every call of that
// failing once and tried again, as the executor does. At the end nothing may be left of either.
func TestAFaultAtEveryCall(t *testing.T) {
	for _, restart := range []bool{false, true} {
		strategy := policy.Live
		if restart {
			strategy = policy.Restart
		}
		t.Run(string(strategy), func(t *testing.T) {
			for n := 0; ; n++ {
				m := newModel(t)
				target := m.start(service{kind: "StatefulSet", pods: 2, resources: ratio("100m", "200m")})
				if restart {
					target = byRestart(target)
				}
				plan := m.planned(target, cpu(400))
				before := managed(m.statefulSet("web"))
				injected := []error{errAway, errConflict, errInternal}[n%3]
				m.faults = []fault{{call: "*", skip: n, err: injected}}
				err := m.do(target, plan)
				reached := m.faults[0].spent
				m.faults = nil
				if !reached {
					if n < 4 {
						t.Fatalf("only %d calls", n)
					}
					return
				}
				if err != nil || injected != errConflict { // a conflict is tried again at once
					m.wants(err, actuators.ErrTransient)
				}
				for k := 0; ; k++ {
					m.faults = []fault{{call: "*", skip: k, err: errInternal}}
					err := m.undo(target, plan)
					reached := m.faults[0].spent
					m.faults = nil
					if !reached {
						m.must(err)
						break
					}
				}
				equal(t, fmt.Sprintf("sizes after the undo of a change whose call %d failed", n), m.sizes(target, policy.CPU), []string{"200m", "200m"})
				if diff := cmp.Diff(before, managed(m.statefulSet("web"))); diff != "" {
					t.Errorf("managed fields after undo, call %d (-before +after):\n%s", n, diff)
				}
			}
		})
	}
}

// The same for what is done after a commit: tried again it must come to the same.
func TestAFaultAtEveryCallOfFinish(t *testing.T) {
	for n := 0; ; n++ {
		m := newModel(t)
		target := m.start(service{pods: 2, resources: ratio("100m", "200m")})
		plan := m.planned(target, cpu(400))
		m.must(m.do(target, plan))
		m.faults = []fault{{call: "*", skip: n, err: errAway}}
		err := m.driver.Finish(t.Context(), target, plan.Steps)
		reached := m.faults[0].spent
		m.faults = nil
		if !reached {
			break
		}
		m.wants(err, actuators.ErrTransient)
		m.must(m.driver.Finish(t.Context(), target, plan.Steps))
		if m.deployment("web").Annotations[note] == "" {
			t.Errorf("call %d: no note", n)
		}
	}
}
