package loop_test

import (
	"slices"
	"testing"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/loop"
)

// generous takes CPU away from containers that say of themselves that they hardly use any.
const generous = quick + `
mode: auto
metrics:
  interval: 1s
  scrape:
    {{- range .targets}}
    - {job: {{.Name}}, url: "{{.URL}}/metrics", target: {{.Name}}}
    {{- end}}
targets:
{{- range .targets}}
  - {name: {{.Name}}, docker: {container: {{.Name}}, host: "{{$.docker}}"}, limits: {cpu: {min: 100m, max: 400m}}}
{{- end}}
policies:
  - name: cpu
    targets: [{{range .targets}}{{.Name}}, {{end}}]
    every: 1s
    matrix:
      signals:
        cpu: max by (target) (engram_cpu_utilization_percent{core="all"})
      rows:
        - {when: {cpu: "< 50"}, for: 12s, do: scale, change: {cpu: {to: 200m}}}
        - {when: {cpu: ">= 50"}, do: none}
`

// endlessBound is what engramd may use with two endpoints that answer without end, some 100 MB a second each: of each it
// reads 16 MiB at a time, and a heap may be twice as large as what is in use.
const endlessBound = 300 * mebi

// TestE2EBlind has containers that are about to shrink when their metrics fail, in every way: engramd is blind then, and takes
// nothing away on the strength of what it has seen before. It shrinks them as soon as it sees again.
func TestE2EBlind(t *testing.T) {
	t.Parallel()
	d := startEngine(t)
	type faulty struct {
		Name, URL string
		c         *docker.Container
		trace     *loop.Trace
	}
	modes := []string{"500", "hang", "garbage", "huge", "empty", "nan", "off"} // off: the one that is well
	var all []faulty
	for _, mode := range modes {
		c := d.Run(t, docker.Spec{Name: "m-" + mode, Image: image, CPUs: 0.4})
		all = append(all, faulty{c.Name, c.URL, c, loop.WatchCPU(t, c.ID)})
	}
	a := loop.Start(t, generous, loop.Values{"docker": d.Host(), "targets": all})
	verdict := func(name string) loop.Policy { return a.Target(t, name).Policies[0] }
	for _, one := range all {
		testenv.Eventually(t, soon, one.Name+" is seen", func() bool { return verdict(one.Name).Verdict != "blind" })
	}
	for i, one := range all {
		one.c.Do(t, "/fail?metrics="+modes[i])
	}

	well := all[len(all)-1]
	a.Await(t, soon, "the one that is well has shrunk", func(x loop.Action) bool { return x.Target == well.Name && x.State == "committed" })
	expectLimits(t, well.trace, 0.4, 0.2)
	for _, one := range all[:len(all)-1] {
		if p := verdict(one.Name); p.Verdict != "blind" || p.Why == "" {
			t.Errorf("the policy on %s says %s: %s", one.Name, p.Verdict, p.Why)
		}
		if target := a.Target(t, one.Name); target.State != "blind" {
			t.Errorf("%s is %s: %s", one.Name, target.State, target.Detail)
		}
		expectLimits(t, one.trace, 0.4)
	}
	for _, s := range a.Status(t).Metrics.Scrapes {
		broken := slices.Contains([]string{"m-500", "m-hang", "m-garbage", "m-huge"}, s.Target)
		if s.Up == broken || broken && s.Error == "" {
			t.Errorf("of the metrics of %s it is said that they are up: %v (%s)", s.Target, s.Up, s.Error)
		}
	}
	if rss := residentBytes(t, a.PID()); rss > endlessBound {
		t.Errorf("engramd uses %d MiB", rss/mebi)
	} else {
		t.Logf("engramd uses %d MiB at most", rss/mebi)
	}

	for _, one := range all {
		one.c.Do(t, "/fail?metrics=off")
	}
	for _, one := range all {
		a.Await(t, soon, one.Name+" has shrunk, once it is seen again", func(x loop.Action) bool { return x.Target == one.Name && x.State == "committed" })
		expectLimits(t, one.trace, 0.4, 0.2)
	}
}
