package agent

import (
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/rules"
)

// fire has an alert fire for app since now, in an episode of that name.
func (w *world) fire(name, episode string) {
	w.alerts.fire(rules.Alert{
		Name: name, State: rules.Firing, Labels: map[string]string{"target": "app"},
		Annotations: map[string]string{"summary": name}, ActiveAt: time.Now().Add(-10 * time.Minute), FiredAt: time.Now(), Episode: episode,
	})
}

// bind binds alerts of the preset to what is written in YAML.
func (w *world) bind(bindings string) {
	w.files["agent.yaml"] += "rules: {files: [\"preset:engram-scaling\"], on_alert: [" + bindings + "]}\n"
}

// Each binding of an alert acts once an episode, on its own resource; a restart remembers it, killed or
// not.
func TestSeveralBindingsOfOneAlert(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.driver.Add("app", busy(1000, 16))
		w.edit("limits: {", "limits: {memory: {min: 512Mi, max: 8Gi}, ")
		w.bind(`{alert: ScaleUpCPURequired, target: app, change: {cpu: {by: x2}}},
			{alert: ScaleUpCPURequired, target: app, do: [scale, diagnose], change: {memory: {by: x2}}}`)
		w.start("agent.yaml")
		w.fire("ScaleUpCPURequired", "first")
		w.pass(15 * time.Minute)
		w.sized(2000, 2<<30)
		for range 2 {
			w.killNow()
			w.start("agent.yaml")
			w.pass(30 * time.Minute)
			w.sized(2000, 2<<30)
		}
		w.fire("ScaleUpCPURequired", "second")
		w.pass(30 * time.Minute)
		w.sized(4000, 4<<30)
	})
}

// An alert that asks for a rollback while a change is just being made gets it once the change is whole.
func TestARollbackWaitsForTheChange(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		s := busy(1000, 0)
		s.Load = func(time.Time) fake.Load { return fake.Load{Cores: 4, Threads: 1.005, Memory: 1 << 20} }
		w.driver.Add("app", s)
		w.seesCPU()
		w.bind(`{alert: ScalingIneffective, target: app, rollback: true}`)
		w.driver.Fail(fake.Fault{Op: "do", Late: time.Minute})
		w.start("agent.yaml")
		w.pass(50 * time.Second)
		w.fire("ScalingIneffective", "e")
		w.pass(5 * time.Minute)
		w.expect(actuators.RolledBack)
		if got := w.actions()[0].Reason; got != "alert ScalingIneffective fires: ScalingIneffective" {
			t.Errorf("it was rolled back because %q", got)
		}
	})
}

// An alert that has fired since before a change says nothing about it.
func TestAnOldAlertTakesNothingBack(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.driver.Add("app", busy(1000, 1.6))
		w.seesCPU()
		w.bind(`{alert: ScalingIneffective, target: app, rollback: true}`)
		w.fire("ScalingIneffective", "e")
		w.start("agent.yaml")
		w.pass(20 * time.Minute)
		w.expect(actuators.Committed)
	})
}

// Of two changes that were committed lately the newer one is taken back.
func TestTheNewestChangeIsTakenBack(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		s, cores := wanting(1000, 1.95)
		w.driver.Add("app", s)
		w.seesCPU()
		w.edit("max: 4, steps: [0.5, 1, 1.5, 2, 4, 8]}}", "max: 2}, memory: {min: 512Mi, max: 2Gi}}")
		w.edit("by: x2}}}", "by: x2}, memory: {by: x2}}}")
		w.bind(`{alert: ScalingIneffective, target: app, rollback: true}`)
		w.start("agent.yaml")
		w.pass(10 * time.Minute)
		w.sized(2000, 2<<30)
		cores.turn(0.5)
		w.pass(2 * time.Minute)
		w.fire("ScalingIneffective", "e")
		w.pass(10 * time.Minute)
		w.sized(2000, 1<<30)
		w.fire("ScalingIneffective", "f")
		w.pass(10 * time.Minute)
		w.sized(1000, 1<<30)
	})
}

// A proposal of an alert that waits for a person goes on waiting while it fires, and is over when the
// alert has been over for long.
func TestAWaitingAlert(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.driver.Add("app", busy(1000, 1.6))
		w.edit("mode: auto", "mode: approve")
		w.edit("safety: {", "safety: {recheck: 1h, ")
		w.bind(`{alert: ScaleUpCPURequired, target: app, change: {cpu: {by: x2}}}`)
		w.start("agent.yaml")
		w.fire("ScaleUpCPURequired", "first")
		w.pass(3 * time.Hour)
		w.onlyWaiting()
		w.alerts.fire()
		w.pass(30 * time.Minute)
		w.onlyWaiting()
		w.pass(time.Hour)
		w.expect(actuators.Cancelled)
		w.fire("ScaleUpCPURequired", "second")
		w.pass(time.Minute)
		w.expect(actuators.Cancelled, actuators.Waiting)
	})
}

// What was committed is not undone for an alert where evidence says that it is needed.
func TestAnAlertDoesNotStarve(t *testing.T) {
	inEmptyWorld(t, "", func(w *world) {
		w.driver.Add("app", busy(1000, 1.6))
		w.seesCPU()
		w.bind(`{alert: ScalingIneffective, target: app, rollback: true}`)
		w.start("agent.yaml")
		w.pass(10 * time.Minute)
		w.fire("ScalingIneffective", "e")
		w.pass(10 * time.Minute)
		w.expect(actuators.Committed)
		if got := w.driver.Sizes("app")[policy.CPU]; got != policy.Amount(2000) {
			t.Errorf("cpu is %s", got)
		}
		if n := ask(w, func(l *loop) int { return len(l.targets["app"].running) }); n != 0 {
			t.Errorf("%d actions are still taken for running", n)
		}
	})
}
