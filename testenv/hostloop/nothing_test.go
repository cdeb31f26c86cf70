package hostloop_test

import (
	"testing"

	"github.com/engramd/engramd/testenv/hostloop"
	"github.com/engramd/engramd/testenv/loop"
)

// first gives units a limit that nobody has given one before.
const first = quick + `
mode: auto
metrics: {interval: 2s}
targets:
{{- range .targets}}
  - name: {{.Name}}
    systemd: {unit: {{.Name}}, persistent: {{.Persistent}}}
    limits: {cpu: {min: 250m, max: 4}, memory: {min: 64Mi, max: 1Gi}}
    adopt_unlimited: true
    validation: {settle: 10m, duration: 30m, every: 2s}
    health: {url: "{{.URL}}/health"}
{{- end}}
policies:
  - name: size
    targets: [{{range .targets}}{{.Name}}, {{end}}]
    every: 2s
    matrix:
      signals:
        used: max by (target) (engramd_target_memory_working_set_bytes)
      rows:
        - {when: {used: "< 0"}, do: none}
        - {when: {used: ">= 0"}, for: 1s, do: scale, change: {{.change}}}
`

// TestE2ENothingSetNothingLeft has units on which nothing is set: after a rollback nothing is set, and no file is left.
func TestE2ENothingSetNothingLeft(t *testing.T) {
	units := hostloop.StartAll(t, hostloop.Spec{Name: "bare"}, hostloop.Spec{Name: "barekept"})
	before, targets := map[string]picture{}, []growing{}
	for name, u := range units {
		before[name] = take(t, u)
		targets = append(targets, growing{name, u.URL, "", name == "barekept"})
	}
	for _, change := range []string{"{cpu: {to: 500m}}", "{memory: {to: 256Mi}}"} {
		a := loop.Start(t, first, loop.Values{"targets": targets, "change": change})
		for name, u := range units {
			x := a.Await(t, soon, "the change of "+name+" is in place", func(x loop.Action) bool { return x.Target == name && x.State == "validating" })
			if now := take(t, u); now.CPU == before[name].CPU && now.MemoryMax == before[name].MemoryMax {
				t.Errorf("%s: nothing was limited by %s", name, change)
			}
			a.Do(t, "cancel", x.ID, "--reason", "a test takes it back")
		}
		for name, x := range finals(t, a, names(units)...) {
			if x.State != "rolled_back" {
				t.Errorf("%s: it is %s: %s", name, x.State, x.Reason)
			}
		}
		a.Stop(t)
		for name, u := range units {
			expect(t, u, before[name], "rolled back")
		}
		hostloop.Systemctl(t, "daemon-reload")
		for name, u := range units {
			expect(t, u, before[name], "after a daemon-reload")
		}
	}
}
