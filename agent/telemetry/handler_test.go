package telemetry_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/engramd/engramd/agent/telemetry"
	"github.com/engramd/engramd/testenv"
)

// served runs a Telemetry that reads this process as target "web", and serves it.
func served(t *testing.T) *httptest.Server {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "# HELP app_load Load of the app.\n# TYPE app_load gauge\napp_load 7\n")
	}))
	t.Cleanup(app.Close)
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "engramd_own", Help: "Own."}))
	tel := start(t, telemetry.Options{Registry: reg, Config: telemetry.Config{
		Scrapes: []telemetry.Scrape{{Job: "app", URL: app.URL, Target: "web"}},
		Targets: []telemetry.Target{{Name: "web", Observe: itself}},
	}})
	srv := httptest.NewServer(tel.Handler("test", nil))
	t.Cleanup(srv.Close)
	eventually(t, func() error {
		for _, expr := range []string{"app_load", "engramd_target_up", "engram_host_cpu_utilization_percent * 0"} {
			if r := tel.Read(t.Context(), "count("+expr+")", time.Now()); !r.Known {
				return fmt.Errorf("%s: %s", expr, r.Reason)
			}
		}
		return nil
	})
	return srv
}

// get asks path and decodes the answer.
func get(t *testing.T, srv *httptest.Server, path string, params url.Values) (int, map[string]any) {
	t.Helper()
	resp, err := srv.Client().Get(srv.URL + path + "?" + params.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%s: %v: %s", path, err, body)
	}
	return resp.StatusCode, v
}

func TestQueryAPIOverWhatIsMeasured(t *testing.T) {
	srv := served(t)
	code, v := get(t, srv, "/api/v1/query", url.Values{"query": {`app_load{target="web"}`}})
	if code != http.StatusOK || !strings.Contains(fmt.Sprint(v), "7") {
		t.Errorf("query: %d %v", code, v)
	}
	_, v = get(t, srv, "/api/v1/metadata", nil)
	for _, want := range []string{"Load of the app.", "Own.", "engramd_target_cpu_seconds_total", "CPU time used."} {
		if !strings.Contains(fmt.Sprint(v), want) {
			t.Errorf("metadata lacks %q", want)
		}
	}
}

func TestMetricsPageHoldsEverythingMeasuredHere(t *testing.T) {
	srv := served(t)
	resp, err := srv.Client().Get(srv.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\nengramd_own 0\n",
		"\n# TYPE engramd_target_cpu_seconds_total counter\n",
		"\nengramd_target_cpu_seconds_total{target=\"web\"} ",
		"\nengram_host_cpu_utilization_percent{core=\"0\"} ",
		"\nengramd_store_series ",
		"\nengramd_targets_blind 0\n",
		"\nprometheus_tsdb_head_series ",
		"\nprometheus_target_scrape_pools_total ",
	} {
		if !strings.Contains("\n"+string(page), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(string(page), "app_load") {
		t.Error("the page shows what was scraped elsewhere")
	}
}

// promtool is Prometheus' own client; it must be content with the API and with the metrics.
func TestE2EPromtool(t *testing.T) {
	if os.Getenv("ENGRAMD_E2E") == "" {
		t.Skip("needs Debian's prometheus: set ENGRAMD_E2E=docker (make e2e-docker)")
	}
	path := testenv.Tool(t, "promtool", "prometheus")
	srv := served(t)
	promtool := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
		if err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	now := time.Now()
	for _, tt := range []struct {
		want string
		args []string
	}{
		{`app_load{`, []string{"query", "instant", srv.URL, `app_load{target="web"}`}},
		{"} => 7 @", []string{"query", "instant", srv.URL, `app_load`}},
		{"scalar:", []string{"query", "instant", srv.URL, "scalar(app_load)"}},
		{"7 @", []string{"query", "range", "--start", fmt.Sprint(now.Unix() - 2), "--end", fmt.Sprint(now.Unix() + 2), "--step", "1s", srv.URL, "app_load"}},
		{`{__name__="engramd_target_up", target="web"}`, []string{"query", "series", "--match", "engramd_target_up", srv.URL}},
		{"web", []string{"query", "labels", srv.URL, "target"}},
	} {
		if out := promtool(tt.args...); !strings.Contains(out, tt.want) {
			t.Errorf("promtool %s: no %q in\n%s", strings.Join(tt.args, " "), tt.want, out)
		}
	}

	resp, err := srv.Client().Get(srv.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	check := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	check.Stdin = resp.Body
	out, err := check.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "engram") {
			t.Errorf("promtool check metrics: %s", line)
		}
	}
	if err != nil && check.ProcessState.ExitCode() != 3 { // 3: there is something to lint
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
