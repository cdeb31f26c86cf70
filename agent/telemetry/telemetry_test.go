package telemetry_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/telemetry"
)

func TestMain(m *testing.M) {
	var ignored []goleak.Option
	if os.Getenv("ENGRAMD_E2E") != "" {
		// The tsdb leaves its log's goroutine behind when it cannot write its last bytes; see disk_test.go.
		ignored = append(ignored, goleak.IgnoreTopFunction("github.com/prometheus/prometheus/tsdb/wlog.(*WL).run"))
	}
	goleak.VerifyTestMain(m, ignored...)
}

// start opens and runs a Telemetry until the test ends.
func start(t *testing.T, o telemetry.Options) *telemetry.Telemetry {
	t.Helper()
	tel := open(t, o)
	run(t, tel)
	return tel
}

func open(t *testing.T, o telemetry.Options) *telemetry.Telemetry {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	if o.Interval == 0 {
		o.Interval = 100 * time.Millisecond
	}
	tel, err := telemetry.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tel.Close(); err != nil {
			t.Error(err)
		}
	})
	return tel
}

func run(t *testing.T, tel *telemetry.Telemetry) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tel.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// eventually waits until what holds.
func eventually(t *testing.T, what func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := what()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// itself observes this test's own process.
func itself(context.Context) (actuators.State, error) {
	return actuators.State{Parts: []actuators.Part{{ID: "1", Name: "self", PID: os.Getpid(), Running: true}}}, nil
}

func TestSamplesOfEveryKindArrive(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "app_load 7") }))
	defer app.Close()
	reg := prometheus.NewRegistry()
	own := prometheus.NewGauge(prometheus.GaugeOpts{Name: "engramd_own"})
	own.Set(3)
	reg.MustRegister(own)
	tel := start(t, telemetry.Options{Registry: reg, Config: telemetry.Config{
		Interval: 200 * time.Millisecond,
		Scrapes:  []telemetry.Scrape{{Job: "app", URL: app.URL + "/metrics", Target: "web"}},
		Targets:  []telemetry.Target{{Name: "web", Observe: itself}},
	}})
	for _, expr := range []string{
		`app_load{target="web", job="app"} == 7`,
		`up{target="web"} == 1`,
		`engramd_own == 3`,
		`engramd_target_up{target="web"} == 1`,
		`engramd_target_memory_usage_bytes{target="web"} > 0`,
		`engramd_target_cpu_limit_cores > 0`,
		`sum(rate(engramd_target_cpu_seconds_total{target="web"}[2s])) >= 0`,
		`engramd_host_memory_total_bytes > 0`,
		`max(engram_host_cpu_utilization_percent) >= 0`,
		`engramd_store_series > 0`,
	} {
		eventually(t, func() error {
			if r := tel.Read(t.Context(), expr, time.Now()); !r.Known {
				return fmt.Errorf("%s: %s", expr, r.Reason)
			}
			return nil
		})
	}
	eventually(t, func() error {
		u, err := tel.Sample(t.Context(), "web")
		if err != nil || u.Cores == nil || u.MemoryBytes == nil {
			return fmt.Errorf("sample: %+v, %v", u, err)
		}
		return nil
	})
	used := tel.Used("web", time.Now().Add(-10*time.Second), time.Now())
	if used.Cores == nil || used.Samples < 2 {
		t.Errorf("used: %+v", used)
	}
}
