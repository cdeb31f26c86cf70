package loop_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/load"
	"github.com/engramd/engramd/testenv/loop"
)

// restarting doubles the CPU of containers that only take it at a restart: drained, in a maintenance window, and proven.
const restarting = `
mode: auto
metrics:
  interval: 1s
  scrape:
{{- range .targets}}
    - {job: {{.Name}}, url: "{{.URL}}/metrics", target: {{.Name}}}
{{- end}}
maintenance_windows: [{name: short, cron: "{{.cron}}", duration: 1m, time_zone: UTC}]
validation: {settle: 2s, duration: 8s, every: 1s, effect: {checks: 3}}
safety:
  cooldown: {up: 1h, down: 1h}
  budget: {per_hour: 50, per_day: 50, emergencies_per_day: 50}
  reserve: {cpu: 0%, memory: 0%}
  recheck: {{.recheck}}
targets:
{{- range .targets}}
  - name: {{.Name}}
    docker: {container: {{.Name}}, host: "{{$.docker}}"}
    limits: {cpu: {min: 100m, max: 800m}}
    apply: {cpu: restart}
    maintenance_window: short
    stop_timeout: 1s
    health: {url: "{{.URL}}/health", timeout: 5s}
    drain:
      enable: POST {{.URL}}/api/v1/admin/maintenance/enable
      disable: POST {{.URL}}/api/v1/admin/maintenance/disable
      status: GET {{.URL}}/api/v1/admin/maintenance
      in_flight: 'sum(engram_operations_in_flight{target="$target", kind="write"})'
      settle: 30s
    smoke: ["GET {{.URL}}/health", {command: [sh, -c, "{{.Smoke}}"]}]
    signals: {error_rate: 'max(engram_error_ratio{target="$target"})'}
    require: [{expr: '{{.Require}}', must: "< 0.01"}]
{{- end}}
policies:
  - name: cpu
    targets: [{{range .targets}}{{.Name}}, {{end}}]
    every: 1s
    matrix:
      signals:
        need: {{.need}}
      rows:
        - {when: {need: "< 85"}, do: none}
        - {when: {need: ">= 85"}, for: 2s, do: scale, change: {cpu: {by: x2}}}
`

// When a container of restarting needs more: when it uses its CPU, when a thread of it spins, however busy the machine is,
// or as long as it has little.
const (
	whenUsed     = `100 * sum by (target) (rate(engramd_target_cpu_seconds_total[5s])) / max by (target) (engramd_target_cpu_limit_cores)`
	whenSpinning = `100 * max by (target) (workload_spinning_threads)`
	whenSmall    = `100 * (max by (target) (engramd_target_cpu_limit_cores) < bool 0.5)`
)

// A restarted is a target of restarting.
type restarted struct{ Name, URL, Smoke, Require string }

// What a container of restarting must fulfil: it makes no errors, or it has little CPU, which a restart takes from it.
const (
	noErrors          = `max(engram_error_ratio{target="$target"})`
	onlyWhenSmall     = `max(engramd_target_cpu_limit_cores{target="$target"}) > bool 0.2`
	onlyWhenSmallHere = `max(engramd_target_cpu_limit_cores{target="unmet"}) > bool 0.2`
)

// opensNext is the next full minute that leaves some time, and the cron line of the window that opens then, once.
func opensNext(leave time.Duration) (at time.Time, cron string) {
	at = time.Now().UTC().Add(leave).Truncate(time.Minute).Add(time.Minute)
	return at, fmt.Sprintf("%d %d %d %d *", at.Minute(), at.Hour(), at.Day(), at.Month())
}

const alwaysOpen = "* * * * *"

// A pressure is a load under which a container needs more CPU, and no request of it may be lost but in maintenance: writes
// that are short, a few that take long, and readers that take what is left, two at a time.
type pressure struct{ writes, longWrites, readers *testenv.Load }

func press(t *testing.T, url string) pressure {
	t.Helper()
	patient := 30 * time.Second
	return pressure{
		writes:     testenv.StartLoad(t, load.Config{URL: url + "/write?cpu=1ms", Method: "POST", Rate: 20, Timeout: patient, FreshConnections: true}),
		longWrites: testenv.StartLoad(t, load.Config{URL: url + "/write?cpu=1200ms", Method: "POST", Rate: 0.2, Timeout: patient, FreshConnections: true}),
		readers:    testenv.StartLoad(t, load.Config{URL: url + "/work?cpu=20ms", Rate: 60, Timeout: patient, FreshConnections: true, MaxOutstanding: 2}),
	}
}

// expect fails the test if a request was lost outside of from to until, or nothing shows that the service was away then.
func (p pressure) expect(t *testing.T, from, until time.Time) {
	t.Helper()
	for name, l := range map[string]*testenv.Load{"writes": p.writes, "long writes": p.longWrites, "readers": p.readers} {
		report := l.Stop()
		lost := report.Outside(from, until).Lost()
		if n := lost.Sent() - lost.Count(load.Saturated); n > 0 {
			t.Errorf("%s lost outside the drained time (%s to %s): %v", name, clock(from), clock(until), lost)
			for _, s := range lost.Samples {
				if s.Kind != load.Saturated {
					t.Logf("%s: sent %s, known %s: %v", name, clock(s.Sent), clock(s.Done), s.Kind)
				}
			}
		}
		if report.Outside(from, until).Count(load.OK) == 0 {
			t.Errorf("%s: none was answered outside the drained time", name)
		}
	}
	inside := p.writes.Report().Between(from, until)
	if inside.Count(load.Unavailable) == 0 || inside.Count(load.OK) == inside.Sent() {
		t.Errorf("the drained time was not seen from outside: %v", inside)
	}
	if took := until.Sub(from); took > 50*time.Second {
		t.Errorf("it was drained for %v", took)
	}
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }

// drainedOnce returns when the workload was drained, by its own word, and holds engramd's word against it.
func drainedOnce(t *testing.T, a *loop.Agent, drain *loop.Drain, action loop.Action) time.Time {
	t.Helper()
	seen := drain.Seen()
	if len(seen) != 1 || !strings.HasPrefix(seen[0].Owner, "engramd") || !strings.Contains(seen[0].Owner, action.ID) {
		t.Fatalf("maintenance was switched on: %+v, want once, by engramd for %s", seen, action.ID)
	}
	draining, _ := action.Entered("draining")
	applying, _ := action.Entered("applying")
	if on := seen[0].Since; on.Before(draining) || on.After(applying) {
		t.Errorf("maintenance is on since %s; engramd says it drained from %s to %s", clock(on), clock(draining), clock(applying))
	}
	return seen[0].Since
}

// steps lists what engramd did for an action, by the kind of step.
func steps(t *testing.T, a *loop.Agent, action, op string) (found []loop.Event) {
	t.Helper()
	for _, e := range a.Events(t) {
		if e.Action == action && e.Type == "step" && e.Details["op"] == op {
			found = append(found, e)
		}
	}
	return found
}

// TestE2ERestart has a change that needs a restart: it waits for its window, drains, recreates the container and proves it.
func TestE2ERestart(t *testing.T) {
	t.Parallel()
	d := startEngine(t)
	data, smoked := t.TempDir(), filepath.Join(t.TempDir(), "smoked")
	c := d.Run(t, docker.Spec{
		Name: "engram", Image: image, CPUs: 0.4, Volumes: []string{data + ":/data"}, Env: map[string]string{"WORKLOAD_DATA": "/data"},
	})
	before := c.Inspect(t)
	census, drain := loop.Count(t, d, "engram"), loop.WatchDrain(t, c.URL)
	pressure := press(t, c.URL)
	opens, cron := opensNext(15 * time.Second)
	a := loop.Start(t, restarting, loop.Values{
		"docker": d.Host(), "cron": cron, "recheck": "24h", "need": whenUsed,
		"targets": []restarted{{"engram", c.URL, "date +%s.%N > " + smoked, noErrors}},
	})

	waits := a.Await(t, soon, "it waits", loop.Changes("cpu", "400", "800", "waiting"))
	if waits.Strategy != "restart" || waits.Held == nil || waits.Held.By != "maintenance window" {
		t.Errorf("a %s waits for %+v", waits.Strategy, waits.Held)
	}
	done := a.Await(t, 2*time.Minute, "it is over", func(x loop.Action) bool { return x.ID == waits.ID && x.Final() })
	if done.State != "committed" {
		t.Errorf("it is %s: %s", done.State, done.Reason)
	}
	on := drainedOnce(t, a, drain, done)
	if closes := opens.Add(time.Minute); on.Before(opens) || !on.Before(closes) {
		t.Errorf("it was drained at %s, and the window is open from %s to %s", clock(on), clock(opens), clock(closes))
	}
	healthy := steps(t, a, done.ID, "health")
	if len(healthy) != 1 {
		t.Fatalf("it was found healthy %d times", len(healthy))
	}
	pressure.expect(t, on, healthy[0].At)
	if idle := steps(t, a, done.ID, "drain"); !slices.ContainsFunc(idle, func(e loop.Event) bool { return e.Message == "nothing is in flight" }) {
		t.Errorf("it was not drained until nothing was in flight: %+v", idle)
	}

	after := d.Inspect(t, "engram")
	if after.ID == before.ID || !after.State.Running || after.HostConfig.NanoCPUs != 8e8 || testenv.CPULimit(t, after.ID) != 0.8 {
		t.Errorf("after: a new container %v, running %v, %d nano CPUs, the kernel's limit %v",
			after.ID != before.ID, after.State.Running, after.HostConfig.NanoCPUs, testenv.CPULimit(t, after.ID))
	}
	validating, _ := done.Entered("validating")
	if info, err := os.Stat(smoked); err != nil || info.ModTime().Before(healthy[0].At) || info.ModTime().After(validating) {
		t.Errorf("the smoke test ran: %v, %v; want after it was healthy and before it was watched", info, err)
	}
	testenv.Eventually(t, soon, "the old container is removed", func() bool { return len(d.Containers(t)) == 1 })
	if starts, violations := docker.Starts(t, data); len(starts) != 2 || len(violations) > 0 {
		t.Errorf("starts %+v, second writers %+v", starts, violations)
	}
	census.Expect(t)
}

// TestE2ERestartTakenBack has restarts that fail in one way each: the old container is back, as it was.
func TestE2ERestartTakenBack(t *testing.T) {
	t.Parallel()
	d := startEngine(t)
	const fine = "true"
	type failing struct {
		restarted
		env     map[string]string
		because string
		c       *docker.Container
		before  container.InspectResponse
		data    string
		drain   *loop.Drain
	}
	all := []*failing{
		{restarted: restarted{Name: "unhealthy", Smoke: fine}, env: map[string]string{"WORKLOAD_UNHEALTHY": "cpus>0.5"}, because: "not healthy within 5s"},
		{restarted: restarted{Name: "crashing", Smoke: fine}, env: map[string]string{"WORKLOAD_CRASH": "cpus>0.25"}, because: "crashed on start"},
		{restarted: restarted{Name: "smoky", Smoke: "exit 7"}, because: "smoke test"},
		{restarted: restarted{Name: "unmet", Smoke: fine, Require: onlyWhenSmall}, because: "does not hold: " + onlyWhenSmallHere},
	}
	var targets []restarted
	var services []string
	for _, f := range all {
		f.Require, f.data = cmp.Or(f.Require, noErrors), t.TempDir()
		cpus := 0.15
		if f.Name == "unhealthy" {
			cpus = 0.4
		}
		env := map[string]string{"WORKLOAD_DATA": "/data"}
		maps.Copy(env, f.env)
		f.c = d.Run(t, docker.Spec{
			Name: f.Name, Image: image, CPUs: cpus, Env: env, Volumes: []string{f.data + ":/data"},
			Change: func(o *client.ContainerCreateOptions) {
				o.HostConfig.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyOnFailure, MaximumRetryCount: 3}
			},
		})
		f.URL, f.before, f.drain = f.c.URL, f.c.Inspect(t), loop.WatchDrain(t, f.c.URL)
		targets, services = append(targets, f.restarted), append(services, f.Name)
	}
	census := loop.Count(t, d, services...)
	pressure := press(t, all[0].URL)
	a := loop.Start(t, restarting, loop.Values{"docker": d.Host(), "cron": alwaysOpen, "recheck": "24h", "need": whenSmall, "targets": targets})

	for i, f := range all {
		over := a.Await(t, soon, f.Name+" is over", func(x loop.Action) bool { return x.Target == f.Name && x.Final() })
		if over.State != "rolled_back" || !strings.Contains(over.Reason, f.because) {
			t.Errorf("%s is %s: %s; want it taken back: %s", f.Name, over.State, over.Reason, f.because)
		}
		now := d.Inspect(t, f.Name)
		if now.ID != f.before.ID || !now.State.Running || now.HostConfig.RestartPolicy != f.before.HostConfig.RestartPolicy ||
			now.HostConfig.NanoCPUs != f.before.HostConfig.NanoCPUs || testenv.CPULimit(t, now.ID)*1e9 != float64(f.before.HostConfig.NanoCPUs) {
			t.Errorf("%s: the same container %v, running %v, restart policy %+v, %d nano CPUs, the kernel's limit %v", f.Name,
				now.ID == f.before.ID, now.State.Running, now.HostConfig.RestartPolicy, now.HostConfig.NanoCPUs, testenv.CPULimit(t, now.ID))
		}
		if _, violations := docker.Starts(t, f.data); len(violations) > 0 {
			t.Errorf("%s: second writers: %+v", f.Name, violations)
		}
		testenv.Eventually(t, soon, f.Name+" is healthy", f.c.Healthy)
		if f.c.Maintenance(t).Enabled {
			t.Errorf("%s is in maintenance", f.Name)
		}
		if i == 0 {
			back, _ := over.Entered("rolled_back")
			pressure.expect(t, drainedOnce(t, a, f.drain, over), back)
		}
	}
	if containers := d.Containers(t); len(containers) != len(all) {
		t.Errorf("there are %v", names(containers))
	}
	census.Expect(t)
}

// TestE2EConditionGone has a condition that goes away while its restart waits for the maintenance window.
func TestE2EConditionGone(t *testing.T) {
	t.Parallel()
	d := startEngine(t)
	c := d.Run(t, docker.Spec{Name: "engram", Image: image, CPUs: 0.4})
	before, drain := c.Inspect(t), loop.WatchDrain(t, c.URL)
	c.Do(t, "/spin?on")
	_, cron := opensNext(6 * time.Hour)
	a := loop.Start(t, restarting, loop.Values{
		"docker": d.Host(), "cron": cron, "recheck": "5s", "need": whenSpinning, "targets": []restarted{{"engram", c.URL, "true", noErrors}},
	})
	waits := a.Await(t, soon, "it waits", loop.Changes("cpu", "400", "800", "waiting"))
	a.AwaitDecision(t, soon, "the same is found some times more", func(x loop.Decision) bool { return x.ActionID == waits.ID && x.Count >= 8 })
	if again := a.Actions(t); len(again) != 1 || again[0].State != "waiting" {
		t.Errorf("while the condition holds:\n%s", loop.Story(again))
	}
	c.Do(t, "/spin?off")
	gone := a.Await(t, soon, "it is given up", func(x loop.Action) bool { return x.ID == waits.ID && x.Final() })
	if gone.State != "cancelled" || !strings.Contains(gone.Reason, "its condition is gone") {
		t.Errorf("it is %s: %s", gone.State, gone.Reason)
	}
	if after := c.Inspect(t); after.State.StartedAt != before.State.StartedAt || after.HostConfig.NanoCPUs != 4e8 || len(drain.Seen()) > 0 {
		t.Errorf("started %s, before %s; %d nano CPUs; drained %+v", after.State.StartedAt, before.State.StartedAt, after.HostConfig.NanoCPUs, drain.Seen())
	}
}
