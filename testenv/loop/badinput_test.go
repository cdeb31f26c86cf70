package loop_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/loop"
)

// crowd has one container that is well, among targets that are not there and metrics that are none.
const crowd = quick + `
mode: auto
metrics:
  interval: 1s
  scrape:
    {{- range $job, $url := .scrapes}}
    - {job: {{$job}}, url: "{{$url}}/metrics", target: engram}
    {{- end}}
targets:
  - {name: engram, docker: {container: engram, host: "{{.docker}}"}, limits: {cpu: {min: 100m, max: 600m}}}
  - {name: nobody, docker: {container: nobody, host: "{{.docker}}"}, limits: {cpu: {min: 100m, max: 600m}}}
  - {name: nowhere, docker: {container: engram, host: "unix:///nonexistent/docker.sock"}, limits: {cpu: {min: 100m, max: 600m}}}
policies:
  - name: cpu
    targets: [engram, nobody, nowhere]
    every: 1s
    matrix:
      signals:
        cpu: 100 * sum by (target) (rate(engramd_target_cpu_seconds_total[5s])) / max by (target) (engramd_target_cpu_limit_cores)
      rows:
        - {when: {cpu: "< 70"}, do: none}
        - {when: {cpu: ">= 70"}, for: 2s, do: scale, change: {cpu: {by: x2}}}
  - name: hostile
    target: engram
    every: 1s
    matrix:
      signals:
        depth: max(engram_spreading_queue_depth{target="$target"})
      rows:
        - {when: {depth: "< 1000000"}, for: 1s, do: scale, change: {cpu: {to: 100m}}}
        - {when: {depth: ">= 1000000"}, do: none}
`

// memoryBound is what an engramd of a few series may use, whatever it is answered: each endpoint that never ends costs the
// largest answer that is read a few times over, before the collector of garbage comes round.
const memoryBound = 400 * mebi

// TestE2EBadSurroundings has an engramd whose targets are missing and whose metrics are hostile: it says so of each, changes
// nothing for their sake, stays small, and goes on with what it can see.
func TestE2EBadSurroundings(t *testing.T) {
	d := startEngine(t)
	c := run(t, d, docker.Spec{Name: "engram", Image: image, CPUs: 0.3})
	scrapes := map[string]string{"refused": fmt.Sprintf("http://127.0.0.1:%d", testenv.Port(t))}
	for _, fault := range []string{"500", "hang", "garbage", "huge", "empty", "nan"} {
		w := testenv.StartWorkload(t, nil)
		w.Do(t, "/fail?metrics="+fault)
		scrapes["m"+fault] = w.URL
	}
	trace := loop.WatchCPU(t, c.ID)
	c.Do(t, "/spin?on")
	a := loop.Start(t, crowd, loop.Values{"docker": d.Host(), "scrapes": scrapes})

	a.Await(t, soon, "the container that is well grows", loop.Changes("cpu", "300", "600", "committed"))
	expectLimits(t, trace, 0.3, 0.6)
	status := a.Status(t)
	for _, s := range status.Metrics.Scrapes {
		if s.URL != scrapes["mempty"]+"/metrics" && s.URL != scrapes["mnan"]+"/metrics" && (s.Up || s.Error == "") {
			t.Errorf("%s is said to be up (%v), or nothing is said: %q", s.URL, s.Up, s.Error)
		}
	}
	if n := len(status.Metrics.Scrapes); n != len(scrapes) {
		t.Errorf("status shows %d scrapes, want %d", n, len(scrapes))
	}
	for name, states := range map[string][]string{"nobody": {"absent", "blind"}, "nowhere": {"absent", "blind", "standby"}} {
		if got := a.Target(t, name); !slices.Contains(states, got.State) || got.Detail == "" {
			t.Errorf("%s is %s (%q), want one of %v and a reason", name, got.State, got.Detail, states)
		}
	}
	seen := a.Target(t, "engram").Policies
	if !slices.ContainsFunc(seen, func(p loop.Policy) bool { return p.Name == "hostile" && p.Verdict == "blind" && p.Why != "" }) {
		t.Errorf("the policy on hostile metrics is not blind: %+v", seen)
	}
	if rss := residentBytes(t, a.PID()); rss > memoryBound {
		t.Errorf("engramd uses %d MiB", rss/mebi)
	} else {
		t.Logf("engramd uses %d MiB", rss/mebi)
	}
	if all := a.Actions(t); len(all) != 1 {
		t.Errorf("there are %d actions, want 1:\n%s", len(all), loop.Story(all))
	}
}

// residentBytes is the resident memory of a process, as the kernel counts it.
func residentBytes(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); fields[0] == "VmHWM:" {
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("the kernel does not tell the resident memory")
	return 0
}

// TestE2EBadConfiguration gives engramd what it cannot run with: it names the place and what is wrong, and does not start.
func TestE2EBadConfiguration(t *testing.T) {
	testenv.Need(t, "docker")
	const good = `version: 1
targets:
  - {name: engram, docker: {container: engram}, limits: {cpu: {max: 2}}}
policies:
  - name: cpu
    target: engram
    matrix:
      signals: {cpu: "vector(1)"}
      rows:
        - {when: {cpu: "< 70"}, do: none}
        - {when: {cpu: ">= 70"}, do: scale, change: {cpu: {by: x2}}}
`
	for _, test := range []struct {
		name, from, to string
		place, says    string
	}{
		{"good", "", "", "", ""},
		{"unknown key", "targets:", "tragets:", ":2:", "did you mean targets"},
		{"bad unit", "max: 2}", "max: 2 parsecs}", ":3:", "parsecs"},
		{"dangling name", "target: engram", "target: engramm", ":6:", "engramm"},
		{"bad PromQL", "vector(1)", "vector(1", ":8:", "cpu"},
		{"gap", ">= 70", ">= 80", ":", "70"},
		{"container name", "container: engram}", "container: 'a b'}", ":3:", "not a container name"},
		{"bad duration", "    target: engram", "    every: soon\n    target: engram", ":6:", "soon"},
		{"no YAML", "targets:", "targets: [", ":", ""},
		{"version", "version: 1", "version: 2", ":1:", "version"},
		{"empty", good, "", "", "version: 1"},
		{"binary", good, "\x00\x01\xff\xfe", "", ""},
		{"alias bomb", "targets:", "x: &a [1,1,1]\ny: &b [*a,*a,*a]\nz: &c [*b,*b,*b]\ntargets:", ":2:", "unknown key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := loop.Bare(t)
			text := strings.Replace(good, test.from, test.to, 1)
			elsewhere(t, a, text)
			if test.name == "empty" || test.name == "binary" {
				a.Write(t, text)
			}
			for _, command := range []string{"check", "run"} {
				if test.name == "good" && command == "run" {
					continue
				}
				r := a.Command(t, command, "--config", a.ConfigFile)
				if test.name == "good" {
					if r.Code != 0 {
						t.Errorf("%s: exit code %d: %s", command, r.Code, r.Stderr)
					}
					continue
				}
				if r.Code != 2 || !strings.Contains(r.Stderr, a.ConfigFile+test.place) || !strings.Contains(r.Stderr, test.says) {
					t.Errorf("%s: exit code %d, want 2, %q and %q in:\n%s", command, r.Code, a.ConfigFile+test.place, test.says, r.Stderr)
				}
			}
			t.Logf("%s", a.Command(t, "check", "--config", a.ConfigFile).Stderr)
		})
	}
}
