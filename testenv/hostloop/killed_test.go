package hostloop_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/hostloop"
	"github.com/engramd/engramd/testenv/loop"
)

// doubled wants twice the CPU for each of some small units, once.
const doubled = `
mode: {{.mode}}
metrics: {interval: 3s}
validation: {settle: 45s, duration: 60s, every: 3s, effect: {checks: 3, none: keep}}
safety:
  cooldown: {up: 1h, down: 1h}
  budget: {per_hour: 50, per_day: 50, emergencies_per_day: 50}
  reserve: {cpu: 0%, memory: 0%}
maintenance_windows: [{name: always, cron: "* * * * *", duration: 10m, time_zone: UTC}]
targets:
{{- range .targets}}
  - name: {{.Name}}
    systemd: {unit: {{.Name}}}
    mode: {{.Mode}}
    limits: {cpu: {min: 500m, max: 1}}
    apply: {cpu: {{.Apply}}}
    maintenance_window: always
    stop_timeout: 5s
    health: {url: "{{.URL}}/health", timeout: 60s}
{{- end}}
policies:
  - name: cpu
    targets: [{{range .targets}}{{.Name}}, {{end}}]
    every: 3s
    matrix:
      signals:
        limit: max by (target) (engramd_target_cpu_limit_cores)
      rows:
        - {when: {limit: "< 0.8"}, for: 1s, do: scale, change: {cpu: {by: x2}}}
        - {when: {limit: ">= 0.8"}, do: none}
`

const (
	big = "100000 100000"
	// How an action ends that is at its new size, that is not, and that may be either.
	stays, takenBack = "inconclusive committed insufficient kept", "rolled_back"
	either           = stays + " " + takenBack
)

// A victim is one unit, and the point on the way of its change at which engramd is killed.
type victim struct {
	Name, URL, Mode, Apply string

	override []string
	state    string // of its action by then
	hold     func(*hostloop.Gate, string) *hostloop.Hold
	ends     string // one of these words; "" is that it waits still

	u      *hostloop.Unit
	was    picture
	held   *hostloop.Hold
	action loop.Action
}

func before(call string) func(*hostloop.Gate, string) *hostloop.Hold {
	return func(g *hostloop.Gate, unit string) *hostloop.Hold { return g.Before(1, call, unit) }
}

func after(call string) func(*hostloop.Gate, string) *hostloop.Hold {
	return func(g *hostloop.Gate, unit string) *hostloop.Hold { return g.After(1, call, unit) }
}

// TestE2EKilled kills engramd in every state of a change, also between a call to systemd and its answer, or between a file that
// it wrote and the reload that makes it count. Each unit ends as the recovery table says, and is itself all the while.
func TestE2EKilled(t *testing.T) {
	reload := func(g *hostloop.Gate, _ string) *hostloop.Hold { return g.Before(1, "Reload", "") }
	victims := []*victim{
		{Name: "waiting", Mode: "approve", state: "waiting"},
		{Name: "not-told", state: "applying", ends: takenBack, hold: before("SetUnitProperties")},
		{Name: "not-answered", state: "applying", ends: stays, hold: after("SetUnitProperties")},
		{Name: "not-loaded", override: []string{"CPUQuota=50%"}, state: "applying", ends: takenBack, hold: reload},
		{Name: "verifying", state: "verifying", ends: stays, hold: func(g *hostloop.Gate, unit string) *hostloop.Hold {
			return g.BeforeAfter("GetAll", "SetUnitProperties", unit)
		}},
		{Name: "validating", state: "validating", ends: stays},
		{Name: "undoing", state: "rolling_back", ends: takenBack, hold: reload},
		{Name: "restart-not-told", Apply: "restart", state: "applying", ends: either, hold: before("RestartUnit")},
		{Name: "restart-not-answered", Apply: "restart", state: "applying", ends: either, hold: after("RestartUnit")},
	}
	gate := hostloop.OpenGate(t)
	var specs []hostloop.Spec
	for _, v := range victims {
		specs = append(specs, hostloop.Spec{Name: v.Name, Lines: []string{"CPUQuota=50%"}, Override: v.override})
	}
	units := hostloop.StartAll(t, specs...)
	for _, v := range victims {
		v.u = units[v.Name]
		if v.was, v.URL = take(t, v.u), v.u.URL; v.Mode == "" {
			v.Mode = "auto"
		}
		if v.Apply == "" {
			v.Apply = "live"
		}
		if v.hold != nil {
			v.held = v.hold(gate, v.u.Name)
		}
	}
	values := loop.Values{"mode": "auto", "targets": victims}
	a := loop.New(t, doubled, values)
	a.Env = append(a.Env, "DBUS_SYSTEM_BUS_ADDRESS="+gate.Address())
	a.Start(t)
	gather(t, a, victims)
	a.Kill(t)
	gate.Drop()
	values["mode"] = "approve" // what has begun goes on; nothing begins by itself any more
	a.Configure(t, doubled, values)
	a.Start(t)
	for _, v := range victims {
		v.expect(t, a)
	}
	t.Logf("engramd release --all:\n%s", a.Do(t, "release", "--all"))
	for _, v := range victims {
		v.was.PID = v.u.PID(t)
		if v.Apply == "live" { // a restart of those waits for an approval now
			becomes(t, v.u, v.was, "released")
		}
	}
}

// gather waits until every action is where it is to be killed. What is held is not waited for without end by engramd, so
// they are looked for together.
func gather(t *testing.T, a *loop.Agent, victims []*victim) {
	t.Helper()
	undoing := victims[slices.IndexFunc(victims, func(v *victim) bool { return v.Name == "undoing" })]
	grown := a.Await(t, soon, "undoing is in place", func(x loop.Action) bool { return x.Target == undoing.Name && x.State == "validating" })
	a.Do(t, "cancel", grown.ID, "--reason", "a test takes it back")
	missing := ""
	testenv.Eventually(t, soon, "every action is where it is to be killed", func() bool {
		var now []string
		all := a.Actions(t)
		for _, v := range victims {
			i := slices.IndexFunc(all, func(x loop.Action) bool { return x.Target == v.Name && x.State == v.state })
			if i < 0 || v.held != nil && !v.held.Holds() {
				now = append(now, fmt.Sprintf("%s (%s, held %v)", v.Name, v.state, v.held != nil && v.held.Holds()))
				continue
			}
			v.action = all[i]
		}
		if text := strings.Join(now, ", "); text != missing {
			missing = text
			t.Logf("not there yet: %s", missing)
		}
		return missing == ""
	})
}

// expect waits for the action's end, and compares with how it must be.
func (v *victim) expect(t *testing.T, a *loop.Agent) {
	t.Helper()
	if v.ends == "" {
		expect(t, v.u, v.was, "waiting")
		if again := a.Await(t, soon, v.Name+" waits still", func(x loop.Action) bool { return x.ID == v.action.ID }); again.State != "waiting" {
			t.Errorf("%s: what waited is %s (%s)", v.Name, again.State, again.Reason)
		}
		return
	}
	end := a.Await(t, 2*soon, "the action on "+v.Name+" has ended", func(x loop.Action) bool { return x.ID == v.action.ID && x.Final() })
	t.Logf("%s: killed while %s: %s: %s", v.Name, v.state, end.State, end.Reason)
	if !slices.Contains(strings.Fields(v.ends), end.State) {
		t.Errorf("%s: killed while %s, it ended %s: %s", v.Name, v.state, end.State, end.Reason)
	}
	if v.Apply == "restart" {
		v.was.PID = v.u.PID(t)
	}
	if !v.u.Healthy() {
		t.Errorf("%s is not healthy", v.Name)
	}
	for _, when := range []string{"in the end", "after a daemon-reload"} {
		if end.State == takenBack {
			expect(t, v.u, v.was, when)
		} else if got, want := fmt.Sprint(v.u.Limit(t, "cpu.max"), v.u.PID(t)), fmt.Sprint(big, v.was.PID); got != want {
			t.Errorf("%s, %s: cpu.max and main process are %s, want %s", v.Name, when, got, want)
		}
		hostloop.Systemctl(t, "daemon-reload")
	}
}
