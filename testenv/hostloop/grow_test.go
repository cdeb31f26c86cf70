package hostloop_test

import (
	"strings"
	"testing"

	"github.com/engramd/engramd/testenv/hostloop"
	"github.com/engramd/engramd/testenv/loop"
)

// growth doubles what units may use when they need nearly all of it.
const growth = quick + `
mode: auto
metrics: {interval: 2s}
targets:
{{- range .targets}}
  - name: {{.Name}}
    systemd: {unit: {{.Name}}, persistent: {{.Persistent}}}
    limits: {cpu: {min: 100m, max: {{.Max}}}}
    health: {url: "{{.URL}}/health"}
{{- end}}
policies:
  - name: cpu
    targets: [{{range .targets}}{{.Name}}, {{end}}]
    every: 2s
    matrix:
      signals:
        cpu: 100 * sum by (target) (rate(engramd_target_cpu_seconds_total[9s])) / max by (target) (engramd_target_cpu_limit_cores)
      rows:
        - {when: {cpu: "< 85"}, do: none}
        - {when: {cpu: ">= 85"}, for: 3s, do: scale, change: {cpu: {by: x2}}}
`

type growing struct {
	Name, URL, Max string
	Persistent     bool
}

// TestE2EGrow has units under load: they get more CPU while they run and keep it. No daemon-reload changes that, also where
// an administrator's override.conf beats what SetUnitProperties writes. In the end everything is given back.
func TestE2EGrow(t *testing.T) {
	specs := []hostloop.Spec{
		{Name: "plain", Lines: []string{"CPUQuota=10%"}},
		{Name: "kept", Lines: []string{"CPUQuota=10%"}},
		{Name: "overridden", Lines: []string{"CPUQuota=5%"}, Override: []string{"CPUQuota=10%"}},
	}
	units, before, traces := hostloop.StartAll(t, specs...), map[string]picture{}, map[string]*hostloop.Trace{}
	var targets []growing
	for name, u := range units {
		targets = append(targets, growing{name, u.URL, "200m", name == "kept"})
		before[name], traces[name] = take(t, u), u.Watch(t, "cpu.max")
		u.Do(t, "/spin?on")
	}
	a := loop.Start(t, growth, loop.Values{"targets": targets})
	for name, action := range finals(t, a, names(units)...) {
		if action.State != "committed" || action.Strategy != "live" {
			t.Errorf("%s: %s %s: %s; want live and committed", name, action.Strategy, action.State, action.Reason)
		}
	}
	for _, when := range []string{"committed", "after a daemon-reload"} {
		for name, u := range units {
			if got := strings.Join(traces[name].Values(), ", "); got != "10000 100000, 20000 100000" || u.PID(t) != before[name].PID {
				t.Errorf("%s, %s: cpu.max was in turn %s; main process %s, it was %s", when, name, got, u.PID(t), before[name].PID)
			}
		}
		hostloop.Systemctl(t, "daemon-reload")
	}
	t.Logf("engramd release --all:\n%s", a.Do(t, "release", "--all"))
	for name, u := range units {
		becomes(t, u, before[name], "released")
	}
}

// useless gives a unit more CPU whatever it does, because its latency is high; that has another cause, and stays so. It is judged by
// latency alone: what emulation makes of an idle unit's throttling says nothing.
const useless = quick + `
mode: auto
metrics: {interval: 2s}
targets:
  - name: slow
    systemd: {unit: slow.service}
    limits: {cpu: {min: 100m, max: 2}}
    signals: {p99: "20 * max(engramd_target_up{target=\"$target\"})"}
policies:
  - name: latency
    target: slow
    every: 2s
    matrix:
      signals: {p99: "20 * max(engramd_target_up{target=\"$target\"})"}
      rows:
        - {when: {p99: "< 10"}, do: none}
        - {when: {p99: ">= 10"}, for: 3s, do: scale, change: {cpu: {by: x2}}}
`

// TestE2EUselessGrowthIsTakenBack has a growth that helps nothing, under an administrator's override.conf.
func TestE2EUselessGrowthIsTakenBack(t *testing.T) {
	u := hostloop.Start(t, hostloop.Spec{Name: "slow", Lines: []string{"CPUQuota=10%"}, Override: []string{"CPUQuota=100%"}})
	before, trace := take(t, u), u.Watch(t, "cpu.max")
	a := loop.Start(t, useless, loop.Values{})
	action := finals(t, a, "slow")["slow"]
	if action.State != "rolled_back" || !strings.Contains(action.Reason, "no effect") {
		t.Errorf("it is %s: %s", action.State, action.Reason)
	}
	if got := strings.Join(trace.Values(), ", "); got != "100000 100000, 200000 100000, 100000 100000" {
		t.Errorf("cpu.max was in turn %s", got)
	}
	expect(t, u, before, "rolled back")
	hostloop.Systemctl(t, "daemon-reload")
	expect(t, u, before, "after a daemon-reload")
}
