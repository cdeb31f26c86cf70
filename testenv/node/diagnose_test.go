package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/diagnosis"
	"github.com/engramd/engramd/agent/telemetry"
	"github.com/engramd/engramd/policy/diagnose"
	"github.com/engramd/engramd/testenv"
)

// A kind of load, and what has to be said of it.
type bound struct {
	path    string
	callers int
	pause   time.Duration // between the calls of one caller
	want    diagnose.Cause
	never   []diagnose.Cause // must not be likely
}

// Each kind of load on a real process is told from the others: by ratios, as the machine has others, too.
func TestE2EDiagnosesRealProcesses(t *testing.T) {
	testenv.Need(t, "node")
	for name, load := range map[string]bound{
		"lock, its holder asleep": {"/lock?hold=20ms", 16, 0, diagnose.Lock, []diagnose.Cause{diagnose.CPU, diagnose.Serial, diagnose.Load}},
		"lock, its holder busy":   {"/lock?cpu=10ms", 16, 0, diagnose.Lock, []diagnose.Cause{diagnose.Load, diagnose.Disk}},
		"CPU":                     {"/work?cpu=20ms", 16, 0, diagnose.CPU, []diagnose.Cause{diagnose.Lock, diagnose.Serial, diagnose.Load}},
		"disk":                    {"/sync?bytes=256Ki", 16, 0, diagnose.Disk, []diagnose.Cause{diagnose.Lock, diagnose.Serial, diagnose.Load}},
		"the load":                {"/work?cpu=1ms", 1, 100 * time.Millisecond, diagnose.Load, []diagnose.Cause{diagnose.Lock, diagnose.CPU, diagnose.Serial}},
	} {
		t.Run(name, func(t *testing.T) {
			p := startWorkload(t)
			tel := watch(t, p)
			call(t, p.url+load.path, load.callers, load.pause)
			begun := time.Now().Add(time.Second) // the load has come up
			testenv.Eventually(t, 10*time.Second, "some seconds of it are measured", func() bool { return time.Since(begun) > 4*time.Second })
			q := diagnosis.Question{Target: "workload", From: begun, To: time.Now(), Interval: measureEvery}
			report := diagnose.Diagnose(diagnosis.Gather(t.Context(), tel, q))
			t.Logf("%s\n%s", report.Summary, told(report))
			if first := report.Causes[0]; first.Cause != load.want || first.Verdict != diagnose.Likely {
				t.Errorf("%s is %s, want %s to be likely:\n%s", first.Title, first.Verdict, load.want, told(report))
			}
			for _, c := range load.never {
				if f, _ := report.Cause(c); f.Verdict == diagnose.Likely {
					t.Errorf("%s is likely, too:\n%s", f.Title, told(report))
				}
			}
		})
	}
}

// told writes a report for whoever reads why a test failed.
func told(r diagnose.Report) string {
	var b strings.Builder
	for _, f := range r.Causes {
		fmt.Fprintf(&b, "%-24s %s\n", f.Title, f.Verdict)
		for sign, list := range map[string][]diagnose.Evidence{"+": f.For, "-": f.Against} {
			for _, e := range list {
				fmt.Fprintf(&b, "    %s %s (%s)\n", sign, e.Text, e.Bound)
			}
		}
	}
	return b.String()
}

const measureEvery = 500 * time.Millisecond

// A plain is the workload as a plain process.
type plain struct {
	url string
	pid int
}

func startWorkload(t *testing.T) plain {
	t.Helper()
	listen := fmt.Sprintf("127.0.0.1:%d", testenv.Port(t))
	dir := t.TempDir()
	log := filepath.Join(dir, "workload.log")
	if err := os.WriteFile(log, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := testenv.Spawn(dir, log, append(os.Environ(), "WORKLOAD_LISTEN="+listen, "WORKLOAD_DATA="+t.TempDir()), testenv.Build(t, "testenv/workload"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.End(syscall.SIGTERM, 20*time.Second); err != nil {
			t.Error(err)
		}
	})
	w := testenv.Workload{URL: "http://" + listen}
	testenv.Eventually(t, 10*time.Second, "the workload is healthy", w.Healthy)
	return plain{w.URL, p.PID()}
}

// watch measures a process as a target.
func watch(t *testing.T, p plain) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.New(telemetry.Options{Dir: t.TempDir(), Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Config: telemetry.Config{
		Interval: measureEvery,
		Scrapes:  []telemetry.Scrape{{Job: "workload", URL: p.url + "/metrics", Target: "workload"}},
		Targets: []telemetry.Target{{Name: "workload", Observe: func(context.Context) (actuators.State, error) {
			return actuators.State{Parts: []actuators.Part{{ID: "1", Name: "workload", PID: p.pid, Running: true}}}, nil
		}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := tel.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
		if err := tel.Close(); err != nil {
			t.Error(err)
		}
	})
	return tel
}

// call keeps so many callers busy until the test ends.
func call(t *testing.T, url string, callers int, pause time.Duration) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	var running sync.WaitGroup
	for range callers {
		running.Go(func() {
			for ctx.Err() == nil {
				if err := get(ctx, client, url); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
					return
				}
				select {
				case <-time.After(pause):
				case <-ctx.Done():
				}
			}
		})
	}
	t.Cleanup(func() {
		stop()
		running.Wait()
		client.CloseIdleConnections()
	})
}

func get(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}
