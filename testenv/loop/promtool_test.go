package loop_test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/loop"
)

const watched = quick + `
mode: approve
metrics:
  interval: 1s
  scrape: [{job: app, url: "{{.url}}/metrics", target: engram}]
targets:
  - name: engram
    docker: {container: engram, host: "{{.docker}}"}
policies:
  - {name: cpu, target: engram, preset: engram-cpu}
rules:
  files: ["preset:engram-scaling"]
`

// TestE2EPromtool has Prometheus' own tool ask the agent, read its metrics, and check its rules.
func TestE2EPromtool(t *testing.T) {
	t.Parallel()
	d := startEngine(t)
	promtool := testenv.Tool(t, "promtool", "prometheus")
	c := run(t, d, docker.Spec{Name: "engram", Image: image, CPUs: 0.5})
	a := loop.Start(t, watched, loop.Values{"docker": d.Host(), "url": c.URL})
	url := "http://" + a.Addr
	testenv.Eventually(t, soon, "the container was measured for three seconds", func() bool {
		n, ok := a.Value(t, `count_over_time(engramd_target_cpu_limit_cores{target="engram"}[1m])`, time.Now())
		return ok && n >= 3
	})
	now := time.Now().Unix()
	from, to := strconv.FormatInt(now-60, 10), strconv.FormatInt(now+1, 10)
	for _, query := range []struct {
		name string
		args []string
		says string
	}{
		{"instant", []string{"query", "instant", url, `engramd_target_cpu_limit_cores{target="engram"}`}, "=> 0.5 @"},
		{"range", []string{"query", "range", "--start", from, "--end", to, "--step", "1s", url, `engramd_target_cpu_limit_cores{target="engram"}`}, "0.5 @"},
		{"series", []string{"query", "series", "--start", from, "--match", `{__name__=~"engram_.*",job="app"}`, url}, `engram_cpu_limit_cores`},
		{"labels", []string{"query", "labels", "--start", from, url, "target"}, "engram\n"},
	} {
		t.Run(query.name, func(t *testing.T) {
			if out := promtoolDo(t, promtool, query.args...); !strings.Contains(out, query.says) {
				t.Errorf("promtool %s says:\n%s\nwant %q in it", strings.Join(query.args, " "), out, query.says)
			}
		})
	}
	t.Run("metrics", func(t *testing.T) {
		metrics := download(t, url+"/metrics")
		for _, name := range []string{"engramd_current_size", "engramd_loop_duration_seconds", "go_goroutines", "process_resident_memory_bytes"} {
			if !strings.Contains(metrics, "\n"+name) {
				t.Errorf("/metrics has no %s", name)
			}
		}
		out, _ := promtoolRun(t, promtool, metrics, "check", "metrics")
		for line := range strings.Lines(out) {
			// Prometheus' own libraries do not follow their own advice everywhere.
			if !strings.HasPrefix(line, "prometheus_") {
				t.Errorf("check metrics says: %s", line)
			}
		}
	})
	t.Run("rules", func(t *testing.T) {
		dir := t.TempDir()
		preset := filepath.Join(dir, "engram-scaling.yaml")
		cases := filepath.Join(dir, "engram-scaling_test.yaml")
		save(t, preset, a.Do(t, "config", "preset", "engram-scaling"))
		text, err := os.ReadFile("../../rules/presets/engram-scaling_test.yaml")
		if err != nil {
			t.Fatal(err)
		}
		save(t, cases, string(text))
		if out := promtoolDo(t, promtool, "check", "rules", preset); !strings.Contains(out, "SUCCESS: 4 rules found") {
			t.Errorf("check rules says:\n%s", out)
		}
		if out := promtoolDo(t, promtool, "test", "rules", cases); !strings.Contains(out, "SUCCESS") {
			t.Errorf("test rules says:\n%s", out)
		}
	})
	t.Run("served rules", func(t *testing.T) {
		var served struct {
			Data struct {
				Groups []struct {
					Rules []struct {
						Name   string `json:"name"`
						Type   string `json:"type"`
						Health string `json:"health"`
					} `json:"rules"`
				} `json:"groups"`
			} `json:"data"`
		}
		testenv.Eventually(t, soon, "every rule was evaluated", func() bool {
			a.Get(t, "/api/v1/rules", &served)
			n := 0
			for _, g := range served.Data.Groups {
				for _, r := range g.Rules {
					if r.Type == "alerting" && r.Health == "ok" {
						n++
					}
				}
			}
			return n == 4
		})
	})
}

// promtoolDo runs promtool, which must succeed.
func promtoolDo(t *testing.T, promtool string, args ...string) string {
	t.Helper()
	out, err := promtoolRun(t, promtool, "", args...)
	if err != nil {
		t.Errorf("promtool %s: %v:\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func promtoolRun(t *testing.T, promtool, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), promtool, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func download(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, answer.Status, err)
	}
	return string(body)
}

func save(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
