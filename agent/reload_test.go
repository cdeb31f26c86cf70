package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/telemetry"
	"github.com/engramd/engramd/policy"
)

// isHeld fails unless this agent holds the service against others.
func (w *world) isHeld(service string) {
	w.t.Helper()
	held := ask(w, func(l *loop) bool {
		for _, t := range l.targets {
			if t.claim.key == "fake/"+service && t.claim.check() == nil {
				return true
			}
		}
		return false
	})
	if !held {
		w.t.Errorf("%s is not held", service)
	}
}

// What the configuration means by a name can become something else, or nothing, while an action of the
// old one is open: that one is ended where it began, under its lock, and only then comes the new one.
func TestANameMeansSomethingElse(t *testing.T) {
	edits := map[string][]string{
		"another container": {"service: app", "service: db"},
		"nothing":           {"name: app", "name: other", "service: app", "service: db", "target: app", "target: other"},
	}
	hows := map[string]func(*world){
		"reload": (*world).reload,
		"stop":   func(w *world) { w.stop(); w.start("agent.yaml") },
		"kill":   func(w *world) { w.killNow(); w.start("agent.yaml") },
	}
	for what, edit := range edits {
		for how, next := range hows {
			t.Run(what+", "+how, func(t *testing.T) {
				inEmptyWorld(t, "", func(w *world) {
					w.keyed = true
					w.driver.Add("app", busy(1000, 1.6))
					w.driver.Add("db", busy(1000, 0.5))
					w.seesCPU()
					w.start("agent.yaml")
					w.pass(time.Minute)
					w.expect(actuators.Validating)
					for i := 0; i < len(edit); i += 2 {
						w.edit(edit[i], edit[i+1])
					}
					next(w)
					w.pass(time.Minute)
					w.expect(actuators.Validating)
					w.isHeld("app")
					w.pass(10 * time.Minute)
					w.expect(actuators.Committed)
					w.isFree("app")
					w.isHeld("db")
					if app, db := w.driver.Sizes("app")[policy.CPU], w.driver.Sizes("db")[policy.CPU]; app != policy.Amount(2000) || db != policy.Amount(1000) {
						t.Errorf("app has %s and db %s", app, db)
					}
				})
			})
		}
	}
}

// The old meaning is back before its action has ended: it goes on as if nothing had been.
func TestANameMeansTheSameAgain(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.keyed = true
		w.driver.Add("app", busy(1000, 1.6))
		w.seesCPU()
		w.start("agent.yaml")
		w.pass(time.Minute)
		w.edit("service: app", "service: db")
		w.reload()
		w.pass(time.Minute)
		w.edit("service: db", "service: app")
		w.reload()
		w.pass(10 * time.Minute)
		w.expect(actuators.Committed)
		w.isHeld("app")
		if n := w.targets(); n != 1 {
			t.Errorf("%d targets", n)
		}
	})
}

// A configuration that cannot be had changes nothing at all, also where only its last part fails.
func TestAReloadIsRefusedWhole(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.keyed = true
		w.driver.Add("db", busy(1000, 0.5))
		w.waits(busy(1000, 1.6))
		w.agent.collect = func(telemetry.Config) error { return errors.New("no such server") }
		w.edit("name: app", "name: db")
		w.edit("service: app", "service: db")
		w.edit("target: app", "target: db")
		if _, err := w.agent.Reload(w.t.Context()); err == nil || !strings.Contains(err.Error(), "no such server") {
			t.Fatalf("reload: %v", err)
		}
		w.agent.collect = func(telemetry.Config) error { return nil }
		w.pass(time.Hour)
		w.expect(actuators.Waiting)
		w.isHeld("app")
		w.isFree("db")
	})
}

// TestATargetOfAReloadIsClaimedWhoeverAskedForIt: the request is answered, and over, before the platform has said who the
// new target is.
func TestATargetOfAReloadIsClaimedWhoeverAskedForIt(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.keyed, w.slowKey = true, 5*time.Second
		w.driver.Add("app", busy(1000, 0.5))
		later := []string{"b", "c", "d", "e", "f", "g", "h"} // an answer that comes too late may still be heard, by chance
		for _, name := range later {
			w.driver.Add(name, busy(1000, 0.5))
		}
		w.start("agent.yaml")
		w.pass(30 * time.Second)
		for _, name := range later {
			w.edit("policies:", fmt.Sprintf("  - name: %s\n    fake: {service: %[1]s}\npolicies:", name))
		}
		asking, answered := context.WithCancel(w.t.Context())
		if _, err := w.agent.Reload(asking); err != nil {
			t.Fatal(err)
		}
		answered()
		w.pass(time.Minute)
		for _, name := range later {
			if why := ask(w, func(l *loop) error { return l.targets[name].claim.ask() }); why != nil {
				t.Errorf("%s is not decided upon: %v", name, why)
			}
		}
	})
}
