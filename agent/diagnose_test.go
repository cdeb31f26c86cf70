package agent

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/diagnose"
)

// contended senses a target whose goroutines wait for a lock, and a metrics source that does not answer as
// long as slow holds.
type contended struct {
	senseAll
	slow bool
}

func (c contended) Read(ctx context.Context, expr string, at time.Time) policy.Reading {
	if strings.Contains(expr, "go_sync_mutex_wait_total_seconds_total") {
		return policy.Reading{Expr: expr, Value: 15.1, Known: true, At: at}
	}
	if c.slow && strings.Contains(expr, "engram_") {
		<-ctx.Done()
		return policy.Reading{Expr: expr, Reason: "the query took too long"}
	}
	return c.senseAll.Read(ctx, expr, at)
}

// asksWhy has the row of the world's policy that grows also ask for a diagnosis.
func (w *world) asksWhy() {
	w.driver.Add("app", busy(1000, 1.005))
	w.seesCPU()
	w.edit("for: 30s, do: scale", "for: 0s, do: [scale, diagnose]") // the decision is there before the diagnosis
}

// diagnoses lists what decisions and actions were diagnosed with.
func (w *world) diagnosed() (decisions, actions []string) {
	w.t.Helper()
	all, err := w.agent.Decisions(w.t.Context(), api.DecisionQuery{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range all {
		if d.Diagnosis != "" {
			decisions = append(decisions, d.Diagnosis)
		}
	}
	for _, a := range w.actions() {
		if a.Diagnosis != "" {
			actions = append(actions, a.Diagnosis)
		}
	}
	return decisions, actions
}

// A row that asks for a diagnosis has one on the decision that it led to, though nobody waits for it; so does an action without effect.
func TestRowsAndActionsAreDiagnosed(t *testing.T) {
	for name, slow := range map[string]bool{"a source that answers": false, "a source that hangs": true} {
		t.Run(name, func(t *testing.T) {
			inEmptyWorld(t, "", func(w *world) {
				w.sensing = func(s senseAll) senses { return contended{s, slow} }
				w.asksWhy()
				w.start("agent.yaml")
				w.pass(time.Minute) // long before the action is judged
				decisions, _ := w.diagnosed()
				if len(decisions) == 0 || !strings.HasPrefix(decisions[len(decisions)-1], "CPU throttling (") {
					t.Errorf("the decisions have %q: before it grew it was stopped at its quota", decisions)
				}
				const want = "lock contention (15.1 goroutines wait for a lock at any time)"
				w.pass(4 * time.Minute)
				_, actions := w.diagnosed()
				if len(actions) == 0 {
					t.Error("an action without effect is not diagnosed")
				}
				if slow { // who validates was not kept waiting by more than its patience
					w.grewBy(50 * time.Second)
				}
				for _, d := range actions {
					if d != want {
						t.Errorf("the action has %q", d)
					}
				}
			})
		})
	}
}

// An approval decides at once. An alert that is noticed then is diagnosed also after the person has gone.
func TestADiagnosisOutlivesTheRequestThatNoticed(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.sensing = func(s senseAll) senses { return contended{s, true} }
		w.bind(`{alert: ScaleUpCPURequired, target: app, do: diagnose}`)
		one := w.waits(busy(1000, 16))
		w.fire("ScaleUpCPURequired", "first")
		ctx, leave := context.WithCancel(w.t.Context())
		if _, err := w.agent.Approve(ctx, one.ID, api.ApproveRequest{}); err != nil {
			t.Fatal(err)
		}
		leave()
		w.pass(time.Minute) // of five between two looks
		if n := strings.Count(w.trace.String(), "diagnose"); n != 1 {
			t.Errorf("diagnosed %d times:\n%s", n, w.trace)
		}
	})
}

// Each time that a row begins to ask for a diagnosis there is one, and none while it goes on.
func TestADiagnosisAnEpisode(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.sensing = func(s senseAll) senses { return contended{s, false} }
		w.driver.Add("app", busy(1000, 0))
		w.querier.Define("cpu", func(at time.Time) (float64, bool) { // two minutes of each five
			if at.Sub(beginning)%(5*time.Minute) < 2*time.Minute {
				return 95, true
			}
			return 50, true
		})
		w.edit("for: 30s, do: scale, change: {cpu: {by: x2}}", "for: 0s, do: [hold, diagnose], why: look")
		w.start("agent.yaml")
		w.pass(14 * time.Minute)
		if n := strings.Count(w.trace.String(), " diagnose "); n != 3 {
			t.Errorf("%d diagnoses in three episodes:\n%s", n, w.trace)
		}
	})
}

// grewBy fails unless app began to grow within d of the beginning.
func (w *world) grewBy(d time.Duration) {
	w.t.Helper()
	for _, a := range w.actions() {
		for _, x := range a.Times {
			if x.State == actuators.Applying && x.At.Sub(beginning) <= d {
				return
			}
		}
	}
	w.t.Errorf("app did not grow within %s: %v", d, w.states())
}

// A diagnosis that is asked for tells of one target or of each, and of nobody that there is not.
func TestDiagnoseOnRequest(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.sensing = func(s senseAll) senses { return contended{s, false} }
		w.two()
		w.pass(time.Minute)
		ctx := w.t.Context()
		all, err := w.agent.Diagnose(ctx, api.DiagnosisQuery{})
		if err != nil || len(all) != 2 || all[0].Target != "app" || all[1].Target != "db" {
			t.Errorf("%+v, %v", all, err)
		}
		if over := all[0].To.Sub(all[0].From); over < time.Minute || over > time.Minute+time.Second {
			t.Errorf("a minute after the start it looks at %s", over)
		}
		w.pass(10 * time.Minute)
		if all, err = w.agent.Diagnose(ctx, api.DiagnosisQuery{}); err != nil || all[0].To.Sub(all[0].From) != 5*time.Minute {
			t.Errorf("where nobody says since when: %+v, %v", all, err)
		}
		one, err := w.agent.Diagnose(ctx, api.DiagnosisQuery{Target: "db", Since: time.Now().Add(-30 * time.Second)})
		if err != nil || len(one) != 1 || one[0].To.Sub(one[0].From) != 30*time.Second {
			t.Fatalf("%+v, %v", one, err)
		}
		if f, ok := one[0].Cause(diagnose.Lock); !ok || len(f.For) == 0 {
			t.Errorf("%+v", f)
		}
		for name, q := range map[string]api.DiagnosisQuery{
			"there is no target": {Target: "nobody"},
			"is to come":         {Since: time.Now().Add(time.Minute)},
			"remembered for 2h":  {Since: time.Now().Add(-3 * time.Hour)},
		} {
			if _, err := w.agent.Diagnose(ctx, q); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%+v: %v, want %s", q, err, name)
			}
		}
	})
}

// crowd counts how many targets are looked at at one time, and answers nothing for as long as it may.
type crowd struct {
	senseAll
	mu    sync.Mutex
	of    map[string]int
	most  int
	named *regexp.Regexp
}

func (c *crowd) Read(ctx context.Context, expr string, at time.Time) policy.Reading {
	if name := c.named.FindString(expr); name != "" {
		c.count(name, 1)
		defer c.count(name, -1)
		<-ctx.Done()
	}
	return policy.Reading{Expr: expr, Reason: "the query took too long"}
}

func (c *crowd) count(name string, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[name] += by; c.of[name] == 0 {
		delete(c.of, name)
	}
	c.most = max(c.most, len(c.of))
}

// Many targets share a source that hangs, and each has its own time with it.
func TestNotAllAreDiagnosedAtOnce(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		many := &crowd{of: map[string]int{}, named: regexp.MustCompile(`target="t[0-9]+"`)}
		w.sensing = func(s senseAll) senses { many.senseAll = s; return many }
		var text strings.Builder
		text.WriteString("version: 1\nmetrics: {interval: 1h}\ntargets:\n")
		const targets = 2*diagnoseAtOnce + 1
		for i := range targets {
			name := fmt.Sprintf("t%d", i)
			w.driver.Add(name, busy(1000, 0.5))
			fmt.Fprintf(&text, "  - {name: %s, fake: {service: %s}}\n", name, name)
		}
		w.files["agent.yaml"] = text.String()
		w.start("agent.yaml")
		w.pass(time.Minute)
		all, err := w.agent.Diagnose(w.t.Context(), api.DiagnosisQuery{})
		if err != nil || len(all) != targets {
			t.Fatalf("%d of %d targets, %v", len(all), targets, err)
		}
		if many.most != diagnoseAtOnce {
			t.Errorf("%d targets were looked at at one time, want %d", many.most, diagnoseAtOnce)
		}
	})
}
