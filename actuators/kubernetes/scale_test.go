package kubernetes_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// scaled serves /scale of the workload web, whose controller makes at most room pods.
type scaled struct {
	uid             types.UID
	wanted, version int32
	room            int32
	conflict        bool // once
}

func (s *scaled) serve(m *model) {
	for _, kind := range []string{"deployments", "statefulsets"} {
		m.api.PrependReactor("get", kind, func(a clienttesting.Action) (bool, runtime.Object, error) {
			return a.GetSubresource() == "scale", s.object(), nil
		})
		m.api.PrependReactor("update", kind, func(a clienttesting.Action) (bool, runtime.Object, error) {
			if a.GetSubresource() != "scale" {
				return false, nil, nil
			}
			if s.conflict {
				s.conflict = false
				return true, nil, apierrors.NewConflict(schema.GroupResource{}, "web", errors.New("changed"))
			}
			s.wanted = a.(clienttesting.UpdateAction).GetObject().(*autoscalingv1.Scale).Spec.Replicas
			s.version++
			return true, s.object(), nil
		})
	}
}

func (s *scaled) object() *autoscalingv1.Scale {
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: "web", UID: s.uid},
		Spec:       autoscalingv1.ScaleSpec{Replicas: s.wanted}, Status: autoscalingv1.ScaleStatus{Replicas: min(s.wanted, s.room)},
	}
}

func scalable(t *testing.T, kind string) (*model, *scaled, policy.Target) {
	m := newModel(t)
	target := m.start(service{kind: kind, pods: 2, resources: requirements("1", "64Mi")})
	s := &scaled{uid: "uid-web", wanted: 2, room: 10}
	s.serve(m)
	return m, s, target
}

func planTo(t *testing.T, m *model, target policy.Target, n int64) (actuators.Plan, error) {
	t.Helper()
	m.driver.Forget()
	st, err := m.driver.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	return m.driver.Plan(target, st, policy.Size{policy.Replicas: policy.Amount(n)})
}

func TestScale(t *testing.T) {
	for _, kind := range []string{"Deployment", "StatefulSet"} {
		t.Run(kind, func(t *testing.T) {
			m, s, target := scalable(t, kind)
			st, err := m.driver.Observe(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range st.Parts {
				if p.Configured[policy.Replicas] != policy.Amount(2) || p.Effective[policy.Replicas] != policy.Amount(2) {
					t.Errorf("%s: %v, %v", p.Name, p.Configured, p.Effective)
				}
			}
			plan, err := planTo(t, m, target, 4)
			if err != nil || len(plan.Steps) != 1 || plan.Strategy != policy.Live || plan.Steps[0].Irreversible {
				t.Fatalf("%+v, %v", plan, err)
			}
			if !strings.Contains(plan.Command, "scale "+strings.ToLower(kind)+" web --current-replicas=2 --replicas=4") {
				t.Errorf("command %s", plan.Command)
			}
			step := plan.Steps[0]
			s.conflict = true
			if err := m.driver.Do(t.Context(), target, step); !errors.Is(err, actuators.ErrTransient) {
				t.Errorf("a conflict is tried again, got %v", err)
			}
			for range 2 { // again is the same
				if err := m.driver.Do(t.Context(), target, step); err != nil || s.wanted != 4 || s.version != 1 {
					t.Fatalf("%d pods wanted, %d writes, %v", s.wanted, s.version, err)
				}
			}
			for range 2 {
				if err := m.driver.Undo(t.Context(), target, step); err != nil || s.wanted != 2 || s.version != 2 {
					t.Fatalf("%d pods wanted, %d writes, %v", s.wanted, s.version, err)
				}
			}
		})
	}
}

func TestScaleRefused(t *testing.T) {
	hpa := func(m *model) {
		_, err := m.api.AutoscalingV2().HorizontalPodAutoscalers(namespace).Create(context.Background(), &autoscalingv2.HorizontalPodAutoscaler{
			ObjectMeta: metav1.ObjectMeta{Name: "traffic", Namespace: namespace},
			Spec:       autoscalingv2.HorizontalPodAutoscalerSpec{ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "web"}, MaxReplicas: 9},
		}, metav1.CreateOptions{})
		if err != nil {
			m.t.Fatal(err)
		}
	}
	tests := []struct {
		name  string
		given func(m *model)
		to    int64
		says  string
	}{
		{"an autoscaler", hpa, 4, "HorizontalPodAutoscaler traffic decides"},
		{"autoscalers cannot be seen", func(m *model) {
			m.faults = []fault{{call: "list horizontalpodautoscalers", always: true, err: apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("cannot list"))}}
		}, 4, "cannot be seen"},
		{"none", func(*model) {}, 0, "want a number from 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, _, target := scalable(t, "Deployment")
			tt.given(m)
			_, err := planTo(t, m, target, tt.to)
			if !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("want %q, got %v", tt.says, err)
			}
		})
	}
	t.Run("an autoscaler that came after the plan", func(t *testing.T) {
		m, s, target := scalable(t, "Deployment")
		plan, err := planTo(t, m, target, 4)
		if err != nil {
			t.Fatal(err)
		}
		hpa(m)
		m.driver.Forget()
		if err := m.driver.Do(t.Context(), target, plan.Steps[0]); !errors.Is(err, actuators.ErrRefused) || s.version != 0 {
			t.Errorf("%d writes, %v", s.version, err)
		}
	})
	t.Run("somebody else scaled", func(t *testing.T) {
		m, s, target := scalable(t, "Deployment")
		plan, err := planTo(t, m, target, 4)
		if err != nil {
			t.Fatal(err)
		}
		s.wanted = 7
		if err := m.driver.Do(t.Context(), target, plan.Steps[0]); !errors.Is(err, actuators.ErrRefused) {
			t.Errorf("do: %v", err)
		}
		if err := m.driver.Undo(t.Context(), target, plan.Steps[0]); err != nil || s.wanted != 7 {
			t.Errorf("undo left %d pods wanted: %v", s.wanted, err)
		}
	})
	t.Run("made again", func(t *testing.T) {
		m, s, target := scalable(t, "Deployment")
		plan, err := planTo(t, m, target, 4)
		if err != nil {
			t.Fatal(err)
		}
		s.uid = "another"
		if err := m.driver.Do(t.Context(), target, plan.Steps[0]); !errors.Is(err, actuators.ErrNotFound) {
			t.Errorf("do: %v", err)
		}
		if err := m.driver.Undo(t.Context(), target, plan.Steps[0]); err != nil || s.version != 0 {
			t.Errorf("undo: %d writes, %v", s.version, err)
		}
	})
}

func TestScaleWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s, target := scalable(t, "Deployment")
		plan, err := planTo(t, m, target, 4)
		if err != nil {
			t.Fatal(err)
		}
		s.room = 3
		began := time.Now()
		err = m.driver.Do(t.Context(), target, plan.Steps[0])
		if !errors.Is(err, actuators.ErrTransient) || !strings.Contains(err.Error(), "3 of 4 pods") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %s", took)
		}
		if err := m.driver.Undo(t.Context(), target, plan.Steps[0]); err != nil || s.wanted != 2 {
			t.Errorf("undo: %d wanted, %v", s.wanted, err)
		}
	})
}
