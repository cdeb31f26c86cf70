package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/engramd/engramd/testenv/workload/service"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running serves a workload in this process and stops it with the test.
type running struct {
	t    *testing.T
	url  string
	stop context.CancelFunc
	done chan error
}

func start(t *testing.T, config service.Config) *running {
	t.Helper()
	r := launch(t, config)
	t.Cleanup(func() {
		r.stop()
		if err := <-r.done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// launch is start for a workload that is not expected to end well.
func launch(t *testing.T, config service.Config) *running {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config.Listen = listener.Addr().String()
	listener.Close()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{t: t, url: "http://" + config.Listen, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- service.New(config, slog.New(slog.DiscardHandler)).Run(ctx) }()
	eventually(t, "the workload answers", func() bool {
		answer, err := http.Get(r.url + "/health")
		if err == nil {
			answer.Body.Close()
		}
		return err == nil || len(r.done) > 0
	})
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return r
}

func (r *running) do(method, path, body string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer.StatusCode, string(text)
}

func (r *running) must(status int, method, path, body string) string {
	r.t.Helper()
	got, text := r.do(method, path, body)
	if got != status {
		r.t.Fatalf("%s %s = %d, want %d: %s", method, path, got, status, text)
	}
	return text
}

func (r *running) metrics() map[string]*dto.MetricFamily {
	r.t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(r.must(200, "GET", "/metrics", "")))
	if err != nil {
		r.t.Fatalf("the metrics are no Prometheus text: %v", err)
	}
	return families
}

// gauge returns the only sample of a family; ok is false where the family is absent.
func (r *running) gauge(name string) (value float64, ok bool) {
	r.t.Helper()
	family := r.metrics()[name]
	if family == nil {
		return 0, false
	}
	if len(family.Metric) != 1 {
		r.t.Fatalf("%s has %d samples", name, len(family.Metric))
	}
	m := family.Metric[0]
	return m.GetGauge().GetValue() + m.GetCounter().GetValue(), true
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func TestWorkBurnsThreadTime(t *testing.T) {
	r := start(t, service.Config{})
	before, _ := r.gauge("process_cpu_seconds_total")
	for range 10 {
		r.must(200, "GET", "/work?cpu=20ms", "")
	}
	after, _ := r.gauge("process_cpu_seconds_total")
	if used := after - before; used < 0.2 || used > 0.3 {
		t.Errorf("10 x 20 ms of work used %.3f s of CPU", used)
	}
	p99, ok := r.gauge("engram_p99_latency_ms")
	if !ok || p99 < 20 {
		t.Errorf("P99 = %v ms, %v", p99, ok)
	}
	if family := r.metrics()["workload_request_duration_seconds"]; family.Metric[0].Histogram.GetSampleCount() != 10 {
		t.Errorf("histogram: %v", family)
	}
	r.must(400, "GET", "/work?cpu=-5ms", "")
}

func TestUtilisationIsMeasured(t *testing.T) {
	r := start(t, service.Config{})
	if _, ok := r.gauge("engram_p99_latency_ms"); ok {
		t.Error("a P99 without any request")
	}
	r.must(200, "GET", "/spin?on", "")
	eventually(t, "one spinning thread is seen", func() bool {
		percent, ok := r.gauge("engram_cpu_utilization_percent")
		limit, _ := r.gauge("engram_cpu_limit_cores")
		return ok && percent*limit/100 > 0.5
	})
	r.must(200, "GET", "/spin?off", "")
	eventually(t, "it is idle again", func() bool {
		percent, ok := r.gauge("engram_cpu_utilization_percent")
		return ok && percent < 25
	})
	r.must(400, "GET", "/spin", "")
	r.must(400, "GET", "/spin?on&threads=0", "")
}

func TestQueueIsRealAndBounded(t *testing.T) {
	r := start(t, service.Config{Workers: 1, Queue: 2})
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	for range 3 {
		clients.Go(func() {
			request, _ := http.NewRequestWithContext(ctx, "GET", r.url+"/work?cpu=1m", nil)
			if answer, err := http.DefaultClient.Do(request); err == nil {
				answer.Body.Close()
			}
		})
	}
	eventually(t, "two wait for the one worker", func() bool {
		depth, _ := r.gauge("engram_spreading_queue_depth")
		return depth == 2
	})
	r.must(http.StatusTooManyRequests, "GET", "/work", "")
	cancel()
	eventually(t, "who hung up is gone from the queue", func() bool {
		depth, _ := r.gauge("engram_spreading_queue_depth")
		return depth == 0
	})
}

func TestMemory(t *testing.T) {
	r := start(t, service.Config{})
	if r.metrics()["engram_memory_usage_bytes"].GetMetric() != nil {
		t.Error("usage by tier before anything is held")
	}
	before, _ := r.gauge("process_resident_memory_bytes")
	r.must(200, "GET", "/memory?bytes=48Mi", "")
	r.must(200, "GET", "/memory?bytes=16Mi&tier=cold", "")
	if rss, _ := r.gauge("process_resident_memory_bytes"); rss-before < 60<<20 {
		t.Errorf("resident memory grew by %.0f only", rss-before)
	}
	if ratio, _ := r.gauge("engram_hot_tier_ratio"); ratio != 0.75 {
		t.Errorf("hot ratio = %v", ratio)
	}
	r.must(200, "GET", "/memory?free", "")
	if rss, _ := r.gauge("process_resident_memory_bytes"); rss-before > 20<<20 {
		t.Errorf("resident memory is still %.0f higher", rss-before)
	}
	r.must(400, "GET", "/memory?bytes=1Mi&tier=lukewarm", "")
	r.must(400, "GET", "/memory?bytes=lots", "")
}

func TestPageCache(t *testing.T) {
	dir := t.TempDir()
	r := start(t, service.Config{Data: dir})
	r.must(200, "GET", "/cache?bytes=1Mi", "")
	if info, err := os.Stat(filepath.Join(dir, "page-cache")); err != nil || info.Size() != 1<<20 {
		t.Errorf("page cache file: %v, %v", info, err)
	}
	r.must(200, "GET", "/cache?free", "")
	r.must(200, "GET", "/cache?free", "")
	if _, err := os.Stat(filepath.Join(dir, "page-cache")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("page cache file is still there: %v", err)
	}
}

func TestLockSerialises(t *testing.T) {
	r := start(t, service.Config{})
	began := time.Now()
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() { r.do("GET", "/lock?hold=50ms", "") })
	}
	clients.Wait()
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("4 x 50 ms under one lock took %v", took)
	}
}

func TestMaintenance(t *testing.T) {
	r := start(t, service.Config{})
	const path = "/api/v1/admin/maintenance"
	inFlight := make(chan int, 1)
	go func() { status, _ := r.do("POST", "/write?cpu=300ms", ""); inFlight <- status }()
	eventually(t, "one write is in flight", func() bool { return r.status().InFlightWrites == 1 })

	r.must(200, "POST", path+"/enable", `{"owner": "engramd", "ttl": "1h"}`)
	answer, err := http.Post(r.url+"/write", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 503 || answer.Header.Get("Retry-After") == "" {
		t.Errorf("a write in maintenance: %s, Retry-After %q", answer.Status, answer.Header.Get("Retry-After"))
	}
	r.must(200, "GET", "/work", "")
	r.must(200, "GET", "/health", "")
	if status := <-inFlight; status != 200 {
		t.Errorf("the write in flight ended with %d", status)
	}
	if s := r.status(); !s.Enabled || s.Owner != "engramd" || s.Since == nil || s.ExpiresAt == nil || s.InFlightWrites != 0 {
		t.Errorf("status: %+v", s)
	}
	r.must(409, "POST", path+"/enable", `{"owner": "other"}`)
	r.must(409, "POST", path+"/disable", `{"owner": "other"}`)
	r.must(200, "POST", path+"/disable", "")
	r.must(200, "POST", "/write", "")
	r.must(400, "POST", path+"/enable", `{"ttl": "soon"}`)
	r.must(400, "POST", path+"/enable", `[`)
}

func (r *running) status() service.Status {
	r.t.Helper()
	var s service.Status
	if err := json.Unmarshal([]byte(r.must(200, "GET", "/api/v1/admin/maintenance", "")), &s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

func TestFaults(t *testing.T) {
	r := start(t, service.Config{})
	r.must(200, "GET", "/fail?health=on", "")
	r.must(503, "GET", "/health", "")
	r.must(200, "GET", "/fail?health=off", "")
	r.must(200, "GET", "/health", "")

	r.must(200, "GET", "/fail?errors=1", "")
	r.must(500, "GET", "/work", "")
	r.must(200, "GET", "/fail?errors=0", "")
	if ratio, _ := r.gauge("engram_error_ratio"); ratio != 1 {
		t.Errorf("error ratio = %v", ratio)
	}
	r.must(200, "GET", "/fail?maintenance=500", "")
	r.must(500, "POST", "/api/v1/admin/maintenance/enable", "")

	r.must(200, "GET", "/fail?metrics=500", "")
	r.must(500, "GET", "/metrics", "")
	r.must(200, "GET", "/fail?metrics=empty", "")
	if text := r.must(200, "GET", "/metrics", ""); text != "" {
		t.Errorf("metrics=empty: %q", text)
	}
	r.must(200, "GET", "/fail?metrics=nan", "")
	if text := r.must(200, "GET", "/metrics", ""); !strings.Contains(text, "engram_cpu_limit_cores NaN") {
		t.Errorf("metrics=nan: %q", text)
	}
	for _, path := range []string{"/fail?metrics=sometimes", "/fail?mood=bad", "/fail?errors=x"} {
		r.must(400, "GET", path, "")
	}
}

// TestMetricsWithoutEnd reads from answers that never end on their own, and from one that never begins.
func TestMetricsWithoutEnd(t *testing.T) {
	r := start(t, service.Config{})
	for _, fault := range []string{"garbage", "huge"} {
		r.must(200, "GET", "/fail?metrics="+fault, "")
		answer, err := http.Get(r.url + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		read, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 3<<20))
		if read != 3<<20 || err != nil {
			t.Errorf("%s: read %d bytes, %v", fault, read, err)
		}
		answer.Body.Close()
	}
	r.must(200, "GET", "/fail?metrics=hang", "")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	request, _ := http.NewRequestWithContext(ctx, "GET", r.url+"/metrics", nil)
	if _, err := http.DefaultClient.Do(request); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hang: %v", err)
	}
}

// TestStopEndsEndlessAnswers stops the service while one client waits for metrics that hang and one for an endless answer.
func TestStopEndsEndlessAnswers(t *testing.T) {
	r := launch(t, service.Config{})
	var clients sync.WaitGroup
	for _, fault := range []string{"hang", "garbage"} {
		r.must(200, "GET", "/fail?metrics="+fault, "")
		reached := make(chan struct{})
		clients.Go(func() {
			close(reached)
			if answer, err := http.Get(r.url + "/metrics"); err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
		})
		<-reached
	}
	began := time.Now()
	r.stop()
	if err := <-r.done; err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("stopping took %v: %v", time.Since(began), err)
	}
	clients.Wait()
}

func TestCrash(t *testing.T) {
	t.Run("on command", func(t *testing.T) {
		r := launch(t, service.Config{})
		r.must(200, "GET", "/fail?crash=on", "")
		if err := <-r.done; !errors.Is(err, service.ErrCrash) {
			t.Errorf("Run = %v", err)
		}
	})
	t.Run("on start", func(t *testing.T) {
		r := launch(t, service.Config{Crash: condition(t, "always")})
		if err := <-r.done; !errors.Is(err, service.ErrCrash) {
			t.Errorf("Run = %v", err)
		}
	})
}

func TestUnhealthyByStart(t *testing.T) {
	config := service.Config{Data: t.TempDir(), Unhealthy: condition(t, "start=2")}
	for _, want := range []int{200, 503, 200} {
		r := launch(t, config)
		if got, _ := r.do("GET", "/health", ""); got != want {
			t.Errorf("health = %d, want %d", got, want)
		}
		r.stop()
		if err := <-r.done; err != nil {
			t.Fatal(err)
		}
	}
}

func TestTwoWriters(t *testing.T) {
	dir := t.TempDir()
	start(t, service.Config{Data: dir})
	second := launch(t, service.Config{Data: dir})
	if err := <-second.done; !errors.Is(err, service.ErrTwoWriters) {
		t.Errorf("Run = %v", err)
	}
	for name, want := range map[string]int{"starts.jsonl": 1, "violations.jsonl": 1} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || bytes.Count(content, []byte("\n")) != want {
			t.Errorf("%s: %q, %v", name, content, err)
		}
	}
}

func TestHandlerWithoutRun(t *testing.T) {
	server := httptest.NewServer(service.New(service.Config{}, slog.New(slog.DiscardHandler)).Handler())
	defer server.Close()
	r := &running{t: t, url: server.URL}
	r.must(200, "GET", "/work?cpu=1ms", "")
	r.must(400, "GET", "/fail?crash=on", "")
	if _, ok := r.gauge("engram_cpu_utilization_percent"); ok {
		t.Error("a utilisation that nobody measured")
	}
	http.DefaultClient.CloseIdleConnections()
}

func condition(t *testing.T, text string) service.Condition {
	t.Helper()
	c, err := service.ParseCondition(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
