package agent

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// grown runs until cpu and memory of app were both doubled and committed.
func (w *world) grown() {
	w.t.Helper()
	w.driver.Add("app", busy(1000, 1.95))
	w.seesCPU()
	w.edit("max: 4, steps: [0.5, 1, 1.5, 2, 4, 8]}}", "max: 2}, memory: {min: 512Mi, max: 2Gi}}")
	w.edit("by: x2}}}", "by: x2}, memory: {by: x2}}}")
	w.start("agent.yaml")
	w.pass(20 * time.Minute)
	w.sized(2000, 2<<30)
}

func (w *world) sized(cpu, memory int64) {
	w.t.Helper()
	got := w.driver.Sizes("app")
	if got[policy.CPU] != policy.Amount(cpu) || got[policy.Memory] != policy.Amount(memory) {
		w.t.Errorf("app has %v, want cpu %d and memory %d", got, cpu, memory)
	}
}

func (w *world) release() []api.ReleaseView {
	w.t.Helper()
	got, err := w.agent.Release(w.t.Context(), api.ReleaseRequest{All: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// originals lists what could still be given back.
func (w *world) originals() (all []policy.Resource) {
	w.t.Helper()
	os, err := w.agent.journal.Originals("")
	if err != nil {
		w.t.Error(err)
	}
	for _, o := range os {
		all = append(all, o.Resource)
	}
	return all
}

// Several resources of a target are given back one after the other, by themselves.
func TestReleaseOfTwoResources(t *testing.T) {
	for name, disturb := range map[string]func(*world){
		"alone":        func(*world) {},
		"killed":       func(w *world) { w.killNow(); w.start("agent.yaml") },
		"reconfigured": func(w *world) { w.forgetApp(); w.reload() },
		"restarted without the target": func(w *world) {
			w.forgetApp()
			w.stop()
			w.start("agent.yaml")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inEmptyWorld(t, "", func(w *world) {
				w.keyed = true
				w.grown()
				if got := w.release(); len(got) != 2 || got[0].ActionID == "" || got[1].ActionID != "" || got[1].Detail == "" {
					t.Fatalf("release: %+v", got)
				}
				disturb(w)
				w.pass(40 * time.Minute)
				w.sized(1000, 1<<30)
				if left := w.originals(); len(left) != 0 {
					t.Errorf("originals are left: %v", left)
				}
				w.ended()
			})
		})
	}
}

// forgetApp takes app out of the configuration.
func (w *world) forgetApp() {
	w.edit("name: app", "name: db")
	w.edit("service: app", "service: db")
	w.edit("target: app", "target: db")
}

// A target that is no longer configured is taken, released and let go.
func TestReleaseOfWhatIsNotConfigured(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.keyed = true
		w.grown()
		w.forgetApp()
		w.reload()
		w.pass(time.Minute)
		w.isFree("app")
		w.release()
		w.pass(40 * time.Minute) // it is watched for as long as nobody configured otherwise
		w.sized(1000, 1<<30)
		w.isFree("app")
		if n := w.targets(); n != 1 {
			t.Errorf("%d targets are left", n)
		}
	})
}

// A release waits for the growth that is being watched, and cancels the one that waits for a person.
func TestReleaseWhileAnActionIsOpen(t *testing.T) {
	t.Run("validating", func(t *testing.T) {
		inEmptyWorld(t, "", func(w *world) {
			w.driver.Add("app", busy(1000, 1.6))
			w.seesCPU()
			w.start("agent.yaml")
			w.pass(time.Minute)
			if got := w.release(); len(got) != 1 || got[0].ActionID != "" || got[0].Done {
				t.Fatalf("release: %+v", got)
			}
			w.pass(20 * time.Minute)
			w.sized(1000, 1<<30)
			w.expect(actuators.Committed, actuators.Committed)
		})
	})
	t.Run("waiting", func(t *testing.T) {
		inEmptyWorld(t, "", func(w *world) {
			s, cores := wanting(1000, 1.6)
			w.driver.Add("app", s)
			w.seesCPU()
			w.start("agent.yaml")
			w.pass(20 * time.Minute)
			w.edit("mode: auto", "mode: approve")
			w.reload()
			cores.turn(16)
			w.pass(5 * time.Minute)
			w.onlyWaiting()
			w.release()
			w.pass(20 * time.Minute)
			w.sized(1000, 1<<30)
			w.expect(actuators.Committed, actuators.Cancelled, actuators.Committed)
		})
	})
}

// What could not be given back, because it is in use, can be given back later.
func TestWhatIsNotGivenBackIsNotForgotten(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		var used dial
		used.turn(256 << 20)
		s := busy(1000, 1.6)
		s.Load = func(time.Time) fake.Load { return fake.Load{Cores: 1.6, Memory: int64(used.read())} }
		w.driver.Add("app", s)
		w.seesCPU()
		w.edit("cpu: {by: x2}", "memory: {by: x2}")
		w.edit("limits: {cpu: {min: 500m, max: 4, steps: [0.5, 1, 1.5, 2, 4, 8]}}", "limits: {memory: {min: 512Mi, max: 2Gi}}")
		w.start("agent.yaml")
		w.pass(10 * time.Minute)
		w.sized(1000, 2<<30)
		used.turn(1 << 30)
		w.pass(time.Minute)
		w.release()
		w.pass(10 * time.Minute)
		w.sized(1000, 2<<30)
		if left := w.originals(); len(left) != 1 {
			t.Fatalf("originals left: %v, want memory", left)
		}
		used.turn(100 << 20)
		w.pass(time.Minute)
		w.release()
		w.pass(10 * time.Minute)
		w.sized(1000, 1<<30)
	})
}

// A platform that refuses the way back for a while, as one that is just rolling its pods out, is asked
// again, until somebody takes the freeze away.
func TestReleaseThatIsRefusedForAWhile(t *testing.T) {
	refused := func(w *world) {
		w.grown()
		w.driver.Fail(fake.Fault{Op: "plan", Times: -1, Err: fmt.Errorf("%w: a rollout is under way", actuators.ErrRefused)})
		for _, v := range w.release() {
			if v.ActionID != "" || !strings.Contains(v.Detail, "a rollout is under way") {
				w.t.Errorf("release: %+v", v)
			}
		}
		w.pass(20 * time.Minute)
		w.sized(2000, 2<<30)
	}
	t.Run("given back later", func(t *testing.T) {
		inEmptyWorld(t, "", func(w *world) {
			refused(w)
			w.killNow()
			w.start("agent.yaml")
			w.pass(time.Minute)
			w.driver.Heal()
			w.pass(40 * time.Minute)
			w.sized(1000, 1<<30)
			if left := w.originals(); len(left) != 0 {
				t.Errorf("originals are left: %v", left)
			}
		})
	})
	t.Run("unfrozen", func(t *testing.T) {
		inEmptyWorld(t, "", func(w *world) {
			refused(w)
			if err := w.agent.Unfreeze(w.t.Context(), api.UnfreezeRequest{Target: "app"}); err != nil {
				t.Fatal(err)
			}
			w.driver.Heal()
			w.pass(40 * time.Minute)
			w.sized(2000, 2<<30)
		})
	})
}

// A limit that nobody had chosen is none again; one that is there already needs nothing done.
func TestReleaseOfWhatWasUnset(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		s := busy(1000, 8)
		s.Sizes = policy.Size{policy.CPU: policy.Amount(1000), policy.Memory: policy.Unlimited()}
		w.driver.Add("app", s)
		w.seesCPU()
		w.start("agent.yaml")
		w.pass(20 * time.Minute)
		if _, err := w.agent.Pause(w.t.Context(), api.PauseRequest{}); err != nil {
			t.Fatal(err)
		}
		w.driver.Set("app", policy.CPU, policy.Amount(1000))
		w.pass(10 * time.Minute)
		if got := w.release(); len(got) != 1 || !got[0].Done {
			t.Errorf("release: %+v", got)
		}
		if got := w.release(); len(got) != 0 {
			t.Errorf("release again: %+v", got)
		}
	})
}

// A release that engramd's own end interrupts, before or in the middle of its change, is taken up again: killed at any moment, or stopped while it waits.
func TestReleaseInterrupted(t *testing.T) {
	given := func(t *testing.T, interrupt func(w *world)) {
		inEmptyWorld(t, "", func(w *world) {
			s := busy(1000, 1.6)
			s.Restart = []policy.Resource{policy.CPU}
			w.driver.Add("app", s)
			w.seesCPU()
			w.edit("targets:", `maintenance_windows: [{name: night, cron: "0 0 * * *", duration: 6h, time_zone: UTC}]
targets:`)
			w.edit("    limits:", `    maintenance_window: night
    health: {url: "http://app/health"}
    drain: {enable: {url: "http://app/maintenance/enable"}, disable: {url: "http://app/maintenance/disable"}, status: {url: "http://app/maintenance"}, settle: 10s}
    limits:`)
			w.edit("max: 4, steps: [0.5, 1, 1.5, 2, 4, 8]", "max: 2")
			w.start("agent.yaml")
			w.pass(20 * time.Minute)
			w.sized(2000, 1<<30)
			interrupt(w)
			w.start("agent.yaml")
			w.pass(40 * time.Minute)
			w.sized(1000, 1<<30)
			if left := w.originals(); len(left) != 0 {
				t.Errorf("originals are left: %v", left)
			}
			if who := w.driver.Maintenance("app"); who != "" {
				t.Errorf("maintenance is on, by %s", who)
			}
			w.ended()
		})
	}
	for name, at := range map[string]func(policy.Event) bool{
		"draining": entered(actuators.Draining), "drained": told(policy.EventStep, "maintenance on"),
		"applying": entered(actuators.Applying), "stopping": told(policy.EventStep, "stop app"), "creating": told(policy.EventStep, "create app"),
		"verifying": entered(actuators.Verifying), "validating": entered(actuators.Validating), "committed": entered(actuators.Committed),
	} {
		t.Run(name, func(t *testing.T) {
			given(t, func(w *world) {
				released := make(chan struct{})
				go func() {
					defer close(released)
					time.Sleep(time.Second)
					ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
					defer cancel()
					_, _ = w.agent.Release(ctx, api.ReleaseRequest{All: true}) // the answer may never come
				}()
				w.killAt(name, at)
				<-released
			})
		})
	}
	t.Run("stopped while draining", func(t *testing.T) {
		given(t, func(w *world) {
			w.driver.Hold("app", "ada", 2*time.Minute)
			w.release()
			w.pass(30 * time.Second)
			w.stop()
		})
	})
}
