package agent

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

// Two policies that want the opposite: the growth is done, the decrease loses, and says to whom.
func TestOppositeWishes(t *testing.T) {
	inEmptyWorld(t, "opposite", func(w *world) {
		w.driver.Add("app", busy(1000, 1.6))
		w.seesCPU()
		w.querier.Define("idle", func(time.Time) (float64, bool) { return 1, true })
		w.start("agent.yaml")
		w.pass(30 * time.Minute)
		ds, err := w.agent.Decisions(w.t.Context(), api.DecisionQuery{})
		if err != nil {
			t.Fatal(err)
		}
		first := ds[len(ds)-1]
		if len(first.Losers) != 1 || first.Losers[0].Proposal.Policy != "thrift" {
			t.Errorf("the first decision knows of the losers %+v", first.Losers)
		}
	})
}

// An emergency that can be had live does not wait for the maintenance window that binds live changes,
// too; what is no emergency does.
func TestAnEmergencyBesideTheWindow(t *testing.T) {
	inEmptyWorld(t, "emergency", func(w *world) {
		s, cores := wanting(1000, 0.88)
		w.driver.Add("app", s)
		w.seesCPU()
		w.start("agent.yaml")
		w.pass(5 * time.Minute)
		w.note("load rises")
		cores.turn(16)
		w.pass(10 * time.Minute)
	})
}

// A row of growths in which one cannot be carried out keeps what the ones before have shown; one that
// cannot be taken back freezes the resource.
func TestARowOfGrowthsWithFailures(t *testing.T) {
	inEmptyWorld(t, "chain", func(w *world) {
		w.driver.Add("app", busy(500, 16))
		w.seesCPU()
		w.edit("max: 4, steps: [0.5, 1, 1.5, 2, 4, 8]", "max: 7")
		w.edit("per_hour: 4", "per_hour: 20")
		w.driver.Fail(fake.Fault{Op: "do", Nth: 3, Err: errors.New("no")})
		w.driver.Fail(fake.Fault{Op: "do", Nth: 5, Err: errors.New("no")})
		w.driver.Fail(fake.Fault{Op: "undo", Nth: 2, Times: -1, Err: errors.New("no")})
		w.start("agent.yaml")
		w.pass(30 * time.Minute)
		w.note("a person unfreezes it")
		w.driver.Heal()
		if err := w.agent.Unfreeze(w.t.Context(), api.UnfreezeRequest{Target: "app"}); err != nil {
			t.Fatal(err)
		}
		w.pass(30 * time.Minute)
	})
}

// A restart waits until nothing is in flight, and for whoever has maintenance on already.
func TestADrain(t *testing.T) {
	inEmptyWorld(t, "drain", func(w *world) {
		s := busy(1000, 1.6)
		s.Restart = []policy.Resource{policy.CPU}
		s.Load = func(time.Time) fake.Load { return fake.Load{Cores: 1.6, Memory: 1 << 20} }
		w.driver.Add("app", s)
		w.seesCPU()
		w.querier.Define("inflight", func(time.Time) (float64, bool) {
			if who := w.driver.Maintenance("app"); who == "" || who == "ada" {
				return 7, true
			}
			return 0, true
		})
		w.driver.Hold("app", "ada", 2*time.Minute)
		w.start("agent.yaml")
		w.pass(15 * time.Minute)
		if who := w.driver.Maintenance("app"); who != "" {
			t.Errorf("%s has maintenance on", who)
		}
	})
}

// A freeze or pause ends when it was meant to, alone; a restart does not prolong it.
func TestControlsRunOut(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.driver.Add("app", busy(1000, 0.5))
		w.start("agent.yaml")
		freeze := func(r policy.Resource, d time.Duration) {
			if _, err := w.agent.Freeze(w.t.Context(), api.FreezeRequest{Target: "app", Resource: r, For: model.Duration(d)}); err != nil {
				t.Fatal(err)
			}
		}
		freeze(policy.Memory, 0)
		freeze(policy.CPU, 2*time.Hour)
		freeze("", time.Hour)
		for _, target := range []string{"", "app"} {
			if _, err := w.agent.Pause(w.t.Context(), api.PauseRequest{Target: target, For: model.Duration(time.Hour)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.agent.Unfreeze(w.t.Context(), api.UnfreezeRequest{Target: "app", Resource: policy.Storage}); err == nil {
			t.Error("storage alone was not frozen")
		}
		frozen := func() int { return ask(w, func(l *loop) int { return len(l.frozen("app")) }) }
		w.pass(50 * time.Minute)
		if n := frozen(); n != len(policy.Resources()) {
			t.Errorf("%d resources are frozen, want all", n)
		}
		w.killNow()
		w.start("agent.yaml")
		w.pass(15 * time.Minute)
		if n := frozen(); n != 2 {
			t.Errorf("%d resources are frozen, want cpu and memory", n)
		}
		if p := ask(w, func(l *loop) *policy.Pause { return l.paused("app") }); p != nil {
			t.Errorf("still paused: %+v", p)
		}
		w.pass(time.Hour)
		if n := frozen(); n != 1 {
			t.Errorf("%d resources are frozen, want memory", n)
		}
	})
}

// steady uses one core, whatever it has.
type steady struct{ senseAll }

func (steady) Used(string, time.Time, time.Time) actuators.Usage {
	return actuators.Usage{Cores: new(1.0), CPULimit: new(2.0), ThrottledRatio: new(0.0), Samples: 3}
}

// Nothing grows without bound while months go by.
func TestMonthsGoBy(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.driver.Add("app", busy(1000, 4))
		w.querier.Define("cpu", func(time.Time) (float64, bool) { return 100, true })
		w.sensing = func(s senseAll) senses { return steady{s} }
		w.edit("interval: 15s", "interval: 4h")
		w.edit("every: 15s", "every: 4h")
		w.start("agent.yaml")
		routines := 0
		for day := range 110 {
			w.pass(24 * time.Hour)
			if day == 10 {
				routines = runtime.NumGoroutine()
			}
		}
		type counts struct{ tried, running, waiting, superseded, stuck, unclosed, looking int }
		got := ask(w, func(l *loop) counts {
			t := l.targets["app"]
			return counts{len(t.tried), len(t.running), len(t.waiting), len(t.superseded), len(t.stuck), len(l.unclosed), len(l.looking)}
		})
		if got.tried > 3 || got.running > 1 || got.waiting+got.superseded+got.stuck+got.unclosed > 0 || got.looking > 1 {
			t.Errorf("after months: %+v", got)
		}
		if n := runtime.NumGoroutine(); n > routines+5 {
			t.Errorf("%d goroutines, %d at first", n, routines)
		}
		all := w.actions()
		if age := time.Since(all[0].Since()); age > history.Age+48*time.Hour {
			t.Errorf("%d actions, the oldest of %s ago", len(all), age)
		}
	})
}

// A clock that goes back keeps nobody from looking, nor does what was written in its future hold.
func TestAClockThatWentBack(t *testing.T) {
	now := beginning
	a := &Agent{loop: &loop{targets: map[string]*target{"app": newTarget(config.Target{}, nil)}}}
	p := config.Policy{Policy: policy.Policy{Name: "cpu", Targets: []string{"app"}, Every: time.Minute}}
	one := a.loop.targets["app"]
	for offset, want := range map[time.Duration]bool{0: false, -30 * time.Second: false, -50 * time.Second: true, time.Hour: true} {
		one.policy("cpu").at = now.Add(offset)
		if got := a.isDue(p, now); got != want {
			t.Errorf("evaluated %s from now: due %t, want %t", offset, got, want)
		}
	}
	act := actuators.Action{
		Resource: policy.CPU, State: actuators.Committed, Procedure: actuators.Procedure{Validation: actuators.Validation{Settle: time.Minute}},
		Times: []actuators.Transition{{State: actuators.Validating, At: now.Add(1000 * time.Hour)}},
	}
	a.restoreAction(one, act, now)
	if at := one.freshAt[policy.CPU]; at.After(now.Add(time.Minute)) {
		t.Errorf("nothing counts as evidence until %s", at)
	}
	if at := one.ledger.Last[policy.CPU].At; at.After(now) {
		t.Errorf("the last change is at %s", at)
	}
}

// Targets are looked at together if they share a policy, and alone otherwise.
func TestFields(t *testing.T) {
	of := func(name string, targets ...string) config.Policy {
		return config.Policy{Policy: policy.Policy{Name: name, Targets: targets, Every: time.Minute}}
	}
	a := &Agent{loop: &loop{
		targets: map[string]*target{}, looking: map[string]bool{"busy": true},
		cfg: &config.Config{Policies: []config.Policy{of("1", "a", "b"), of("2", "c"), of("3", "d", "gone"), of("4", "b", "c"), of("5", "busy"), of("4", "e")}},
	}}
	for _, name := range []string{"a", "b", "c", "d", "e", "alone", "busy"} {
		a.loop.targets[name] = newTarget(config.Target{}, nil)
	}
	got := map[int]int{}
	for _, f := range a.fields(beginning) {
		got[len(f.targets)]++
		if len(f.targets) == 3 && len(f.due) != 3 {
			t.Errorf("%v are looked at with %d policies, want 3", f.targets, len(f.due))
		}
	}
	if len(got) != 2 || got[3] != 1 || got[1] != 3 {
		t.Errorf("fields by their size: %v", got)
	}
}
