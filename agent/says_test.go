package agent

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/rules"
)

// said is what status shows that a policy says.
func (w *world) said(name string) api.PolicyStatus {
	w.t.Helper()
	for _, one := range w.status().Policies {
		if one.Name == name {
			return one
		}
	}
	w.t.Fatalf("status says nothing of %s", name)
	return api.PolicyStatus{}
}

func TestStatusSaysWhatARightsizePolicyThinks(t *testing.T) {
	s, _ := wanting(4000, 0.5)
	inRightWorld(t, s, unedited, func(w *world) {
		w.pass(10 * time.Second)
		if got := w.said("size"); got.Kind != "rightsize" || got.Verdict != "" || got.Condition != "" {
			t.Errorf("before its first step: %+v", got)
		}
		w.pass(10 * time.Minute)
		if got := w.said("size"); got.Verdict != policy.None || got.Row != -1 || got.Condition != "cpu hold" || !strings.Contains(got.Why, "recent maximum 0.5 + ") {
			t.Errorf("while it holds: %+v", got)
		}
	})
	inEmptyWorld(t, "", func(w *world) {
		w.files["agent.yaml"] = following
		w.driver.Add("app", s)
		w.sensing = func(all senseAll) senses { return unmeasured{all} }
		w.start("agent.yaml")
		w.pass(10 * time.Minute)
		if got := w.said("size"); got.Verdict != policy.Blind || !strings.Contains(got.Why, "is not measured") {
			t.Errorf("without a measurement: %+v", got)
		}
	})
}

func TestStatusSaysWhatAnAlertDoes(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		s, _ := wanting(4000, 0.5)
		w.driver.Add("app", s)
		w.bind(`{alert: ScaleUpCPURequired, target: app, do: [scale, diagnose], change: {cpu: {by: x2}}},
			{alert: ScaleUpCPURequired, target: app, do: diagnose}, {alert: ScalingIneffective, target: app, rollback: true}`)
		w.start("agent.yaml")
		w.pass(time.Minute)
		if got := w.said("ScaleUpCPURequired"); got.Kind != "alert" || got.Verdict != policy.None || got.Condition != "it does not fire" {
			t.Errorf("at rest: %+v", got)
		}
		w.fire("ScaleUpCPURequired", "1")
		if got := w.said("ScaleUpCPURequired"); got.Verdict != policy.Scale || got.Condition != "it fires" || got.Why != "ScaleUpCPURequired" {
			t.Errorf("fires: %+v", got)
		}
		w.fire("ScalingIneffective", "1")
		if got := w.said("ScalingIneffective"); got.Verdict != "rollback" {
			t.Errorf("fires, and has a change taken back: %+v", got)
		}
	})
}

func TestWhatAnAlertSays(t *testing.T) {
	b := config.Binding{Alert: "Hot", Target: "app", Do: []policy.Verdict{policy.Diagnose}}
	hot := func(target, state string, err error) rules.Alert {
		return rules.Alert{Name: "Hot", State: state, Labels: map[string]string{"target": target}, Err: err}
	}
	for name, tt := range map[string]struct {
		active []rules.Alert
		want   policy.Verdict
		says   string
	}{
		"nothing":            {nil, policy.None, "it does not fire"},
		"another target":     {[]rules.Alert{hot("db", rules.Firing, nil)}, policy.None, "it does not fire"},
		"not yet":            {[]rules.Alert{hot("app", rules.Pending, nil)}, policy.None, "it is pending"},
		"one of two":         {[]rules.Alert{hot("app", rules.Firing, nil), hot("app", rules.Pending, nil)}, policy.Diagnose, "it fires"},
		"a query that fails": {[]rules.Alert{hot("app", rules.Firing, errors.New("no such function"))}, policy.Blind, "its query fails"},
	} {
		if got := alertSays(b, tt.active); got.Verdict != tt.want || got.Condition != tt.says {
			t.Errorf("%s: %s, %s", name, got.Verdict, got.Condition)
		}
	}
}

// TestWhyATargetIsFrozen is told in the same words each time, also where everything of it is.
func TestWhyATargetIsFrozen(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		s, _ := wanting(4000, 0.5)
		w.driver.Add("app", s)
		w.start("agent.yaml")
		w.pass(time.Minute)
		if _, err := w.agent.Freeze(w.t.Context(), api.FreezeRequest{Target: "app", Reason: "release day"}); err != nil {
			t.Fatal(err)
		}
		if got := w.status(); got.State != api.TargetFrozen || got.Detail != "everything: release day" {
			t.Errorf("%s, %s", got.State, got.Detail)
		}
	})
}
