package loop_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/loop"
)

// twoWays wants the same of two containers: of one while it runs, of the other with a drained restart.
const twoWays = quick + `
mode: {{.mode}}
metrics: {interval: 1s}
maintenance_windows: [{name: always, cron: "* * * * *", duration: 2m, time_zone: UTC}]
targets:
  - name: live
    docker: {container: live, host: "{{.docker}}"}
    limits: {cpu: {min: 100m, max: 600m}}
    mode: auto
    safety: {cooldown: {up: 5m}} # a dry run's, too
  - name: drained
    docker: {container: drained, host: "{{.docker}}"}
    limits: {cpu: {min: 100m, max: 600m}}
    mode: auto
    safety: {cooldown: {up: 5m}}
    apply: {cpu: restart}
    maintenance_window: always
    health: {url: "{{.drained}}/health"}
    drain:
      enable: POST {{.drained}}/api/v1/admin/maintenance/enable
      disable: POST {{.drained}}/api/v1/admin/maintenance/disable
      settle: 1s
policies:
  - name: cpu
    targets: [live, drained]
    every: 1s
    matrix:
      signals:
        cpu: 100 * sum by (target) (rate(engramd_target_cpu_seconds_total[5s])) / max by (target) (engramd_target_cpu_limit_cores)
      rows:
        - {when: {cpu: "< 70"}, do: none}
        - {when: {cpu: ">= 70"}, for: 2s, do: scale, change: {cpu: {by: x2}}}
`

// TestE2EDryRun decides what it would decide in earnest, says how it would do it, and leaves everything as it is.
func TestE2EDryRun(t *testing.T) {
	t.Parallel()
	d := startEngine(t)
	values := loop.Values{"docker": d.Host()}
	containers := map[string]*docker.Container{}
	for _, name := range []string{"live", "drained"} {
		c := run(t, d, docker.Spec{Name: name, Image: image, CPUs: 0.3})
		containers[name], values[name] = c, c.URL
		c.Do(t, "/spin?on")
	}
	before := pictures(t, containers)

	values["mode"] = "dry-run" // which caps the targets' own mode
	dry := loop.Start(t, twoWays, values)
	decided := map[string]loop.Decision{}
	for name := range containers {
		decided[name] = dry.AwaitDecision(t, soon, "something was decided about "+name+" five times", func(x loop.Decision) bool {
			return x.Target == name && x.Direction == "growth" && x.Count >= 5
		})
	}
	commands := map[string]string{}
	for _, p := range dry.Plans(t) {
		commands[p.Target] = p.Command
		if p.From != "300" || p.To != "600" || p.Mode != "dry-run" || p.Held == nil || p.Held.By != "dry-run" || len(p.Steps) == 0 {
			t.Errorf("the plan of %s: %+v", p.Target, p)
		}
	}
	if want := "docker -H " + d.Host() + " update --cpus 0.6 live"; commands["live"] != want {
		t.Errorf("the plan prints %q, want %q", commands["live"], want)
	}
	if got := commands["drained"]; !strings.Contains(got, "rename drained") || !strings.Contains(got, "--cpus 0.6") {
		t.Errorf("the plan of a restart prints:\n%s", got)
	}
	printed := dry.Do(t, "plan")
	if !strings.Contains(printed, commands["live"]) || !strings.Contains(printed, "300m -> 600m") {
		t.Errorf("engramd plan prints:\n%s", printed)
	}
	dry.AwaitEvent(t, soon, "the plan is told", func(e loop.Event) bool {
		return e.Type == "plan" && e.Target == "live" && e.Details["command"] == commands["live"]
	})
	told := map[string]int{}
	for _, e := range dry.Events(t) {
		if e.Type == "plan" {
			told[e.Target]++
		}
	}
	if told["live"] != 1 || told["drained"] != 1 {
		t.Errorf("within one cooldown the plans were told %v times", told)
	}
	if all := dry.Actions(t); len(all) > 0 {
		t.Errorf("a dry run has actions:\n%s", loop.Story(all))
	}
	dry.Stop(t)
	for name, was := range before {
		if is := pictures(t, containers)[name]; is != was {
			t.Errorf("%s was changed:\n%s\nbefore:\n%s", name, is, was)
		}
	}

	values["mode"] = "auto"
	earnest := loop.Start(t, twoWays, values)
	for name, would := range decided {
		is := earnest.AwaitDecision(t, soon, "it is decided about "+name+" in earnest", func(x loop.Decision) bool {
			return x.Target == name && x.Direction == "growth"
		})
		if essence(is) != essence(would) {
			t.Errorf("about %s a dry run decided %s, and in earnest it is %s", name, essence(would), essence(is))
		}
	}
	done := earnest.Await(t, soon, "the live change is in place", func(x loop.Action) bool { return x.Target == "live" && x.State == "validating" })
	if done.Command != commands["live"] {
		t.Errorf("it did what %q does, and the dry run had said %q", done.Command, commands["live"])
	}
	asEngramd := picture(t, containers["live"])
	earnest.Kill(t) // the test has seen enough

	// What the plan prints is what was done.
	docker, err := exec.LookPath("docker")
	if err != nil {
		t.Log("the printed command was not tried: this machine has no docker command")
		return
	}
	resize(t, d, containers["live"].ID, 0.3)
	words := strings.Fields(commands["live"])
	if out, err := exec.CommandContext(t.Context(), docker, words[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", commands["live"], err, out)
	}
	if byHand := picture(t, containers["live"]); byHand != asEngramd {
		t.Errorf("by hand:\n%s\nby engramd:\n%s", byHand, asEngramd)
	}
}

// essence is what two decisions must have in common.
func essence(d loop.Decision) string {
	return fmt.Sprintf("%s row %d (%s) %s: %s %s %s -> %s, %s", d.Policy, d.Row, d.Condition, d.Verdict, d.Direction, d.Change.Resource, d.From, d.To, d.Strategy)
}

func pictures(t *testing.T, containers map[string]*docker.Container) map[string]string {
	t.Helper()
	all := map[string]string{}
	for name, c := range containers {
		all[name] = picture(t, c)
	}
	return all
}

// picture is everything of a container that must stay as it is when nothing is done: what Docker says of it, the limits in
// its cgroup, and its maintenance.
func picture(t *testing.T, c *docker.Container) string {
	t.Helper()
	inspected, err := json.MarshalIndent(c.Inspect(t), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	_, drained := c.Metric(t, "engram_maintenance")
	maintenance, _ := c.Metric(t, "engram_maintenance")
	m := c.Maintenance(t)
	return fmt.Sprintf("%s\ncpu %v memory %v\nmaintenance %v %v %v", inspected, testenv.CPULimit(t, c.ID), testenv.MemoryLimit(t, c.ID),
		drained, maintenance, m.Since)
}

// resize does by hand, as a person would.
func resize(t *testing.T, d *docker.Daemon, id string, cores float64) {
	t.Helper()
	update := client.ContainerUpdateOptions{Resources: &container.Resources{NanoCPUs: int64(cores * 1e9)}}
	if _, err := d.Client().ContainerUpdate(t.Context(), id, update); err != nil {
		t.Fatal(err)
	}
}

// TestE2EApprove asks before it acts, and takes a yes for what was shown only.
func TestE2EApprove(t *testing.T) {
	t.Parallel()
	d := startEngine(t)
	c := run(t, d, docker.Spec{Name: "engram", Image: image, CPUs: 0.25})
	trace := loop.WatchCPU(t, c.ID)
	c.Do(t, "/spin?on&threads=2")
	a := loop.Start(t, growth, loop.Values{"mode": "approve", "docker": d.Host(), "url": c.URL, "max": 1})

	first := a.Await(t, soon, "a growth waits", loop.Changes("cpu", "250", "500", "waiting"))
	a.AwaitDecision(t, soon, "the same is found five times more", func(x loop.Decision) bool { return x.ActionID == first.ID && x.Count >= 5 })
	expectLimits(t, trace, 0.25)
	if first.Held == nil || first.Held.By != "approval" {
		t.Errorf("it waits for %+v", first.Held)
	}

	// A person changes the container meanwhile: the plan that was shown is not the plan any more.
	resize(t, d, c.ID, 0.4)
	second := a.Await(t, soon, "the new plan waits", loop.Changes("cpu", "400", "800", "waiting"))
	for _, refused := range []struct {
		args []string
		says string
	}{
		{[]string{"approve", first.ID}, "the plan has changed"},
		{[]string{"approve", second.ID, "--plan-hash", first.PlanHash}, "the plan has changed"},
		{[]string{"approve", "no-such-id"}, "no-such-id"},
	} {
		r := a.Command(t, refused.args...)
		if r.Code != 4 || !strings.Contains(r.Stderr, refused.says) {
			t.Errorf("%v: exit code %d, %q; want 4 and %q", refused.args, r.Code, r.Stderr, refused.says)
		}
	}
	a.AwaitDecision(t, soon, "the new one is found five times more", func(x loop.Decision) bool { return x.ActionID == second.ID && x.Count >= 5 })
	expectLimits(t, trace, 0.25, 0.4)

	a.Do(t, "approve", second.ID, "--plan-hash", second.PlanHash)
	a.Await(t, soon, "it is done", func(x loop.Action) bool { return x.ID == second.ID && x.State == "validating" })
	expectLimits(t, trace, 0.25, 0.4, 0.8)
}
