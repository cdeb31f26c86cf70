package metrics_test

import (
	"bytes"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node/metrics"
	"github.com/engramd/engramd/node/pressure"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// busy is a world in which everything that can be measured has a value.
func busy(t *testing.T) *world {
	w := newWorld(t, nil)
	w.iops = 1000
	w.pass(time.Minute)
	for op, d := range map[metrics.Operation]time.Duration{
		metrics.Spreading: 7 * time.Millisecond, metrics.Get: time.Microsecond, metrics.Consolidation: time.Second,
	} {
		for range 99 {
			w.Operations().Record(op, d, nil)
		}
		w.Operations().Record(op, d, errMemory)
	}
	w.cpu += 15 * time.Second
	w.write("proc/stat", "cpu 9 9 9 9 9\ncpu0 1000 0 200 1300 0 0 0 900 0 0\ncpu1 0 0 0 2500 0 0 0 0 0 0\n")
	w.device("1000 0 0 0 5000 0 0 0 0 0 0 0 0 0 0 1307 0\n")
	w.now = w.now.Add(15 * time.Second)
	return w
}

// TestPresetsFindTheirMetrics holds every engram_* selector of the presets to what is told here: the name and the labels.
func TestPresetsFindTheirMetrics(t *testing.T) {
	w := busy(t)
	told := map[string]bool{}
	for name := range w.series() {
		told[name] = true
	}
	selectors := presetSelectors(t)
	if len(selectors) < 10 {
		t.Fatalf("only %d selectors found: %v", len(selectors), selectors)
	}
	for selector, matchers := range selectors {
		if !slices.ContainsFunc(keys(told), func(series string) bool { return matches(series, matchers) }) {
			t.Errorf("the presets use %s, and nothing here matches", selector)
		}
	}
}

func keys(m map[string]bool) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	return out
}

// matches compares with "name label=value ...". The label target comes from whoever scrapes.
func matches(series string, matchers []*labels.Matcher) bool {
	fields := strings.Fields(series)
	have := map[string]string{"__name__": fields[0], "target": "$target"}
	for _, f := range fields[1:] {
		k, v, _ := strings.Cut(f, "=")
		have[k] = v
	}
	for _, m := range matchers {
		if !m.Matches(have[m.Name]) {
			return false
		}
	}
	return true
}

// presetSelectors finds engram_* selectors in the expressions of the presets, and in the test of their signals.
func presetSelectors(t *testing.T) map[string][]*labels.Matcher {
	t.Helper()
	var files []string
	for _, glob := range []string{"../../policy/presets/*.yaml", "../../rules/presets/engram-scaling.yaml", "../../policy/presets/signals_test.go"} {
		found, err := filepath.Glob(glob)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", glob, found, err)
		}
		files = append(files, found...)
	}
	out := map[string][]*labels.Matcher{}
	selector := regexp.MustCompile(`engram_[a-z0-9_]+(\{[^}]*\})?`)
	p := parser.NewParser(parser.Options{})
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line, _, _ = strings.Cut(line, " # ")
			if strings.HasPrefix(strings.TrimSpace(line), "#") {
				continue
			}
			for _, s := range selector.FindAllString(line, -1) {
				if strings.HasSuffix(file, "_test.go") { // its numbers are made up, labels and all
					s, _, _ = strings.Cut(s, "{")
				}
				m, err := p.ParseMetricSelector(s)
				if err != nil {
					t.Fatalf("%s: %s: %v", file, s, err)
				}
				out[s] = m
			}
		}
	}
	return out
}

// guideName is the one name of the guide that offends against a custom; engram_operation_duration_seconds is its twin.
const guideName = "engram_p99_latency_ms"

func TestLint(t *testing.T) {
	w := busy(t)
	problems, err := testutil.GatherAndLint(w.Registry())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if p.Metric != guideName {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("promtool is not installed; the linter of client_golang is content")
	}
	for _, format := range []string{"prometheus"} {
		cmd := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
		cmd.Stdin = w.get("/metrics?format="+format, "").Body
		out, _ := cmd.CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, guideName+" ") {
				t.Errorf("promtool: %s", line)
			}
		}
	}
}

func TestValues(t *testing.T) {
	w := busy(t)
	got := w.series()
	want := map[string]float64{
		"engram_cpu_limit_cores":                               2, // the quota; four cores are allowed
		"engram_cpu_utilization_percent core=all":              50,
		"engram_host_cpu_utilization_percent core=0":           1000.0 / 1500 * 100, // 900 of 2400 were stolen
		"engram_host_cpu_utilization_percent core=1":           0,
		"engram_memory_limit_bytes":                            gib,
		"engram_memory_pressure_ratio":                         0.25,
		"engram_memory_usage_bytes tier=hot":                   10 * mib,
		"engram_memory_usage_bytes tier=index":                 50 * mib,
		"engram_memory_usage_bytes tier=memtable":              20 * mib,
		"engram_memory_usage_bytes tier=other":                 176 * mib,
		"engram_hot_tier_ratio":                                0.08,
		"engram_disk_iops":                                     (1000 + 5000 + 1307 - 307) / 15.0,
		"engram_disk_iops_utilized_percent ceiling=configured": (1000 + 5000 + 1307 - 307) / 15.0 / 10,
		"engram_eviction_rate from_tier=hot to_tier=warm":      0.5,
		"engram_eviction_rate from_tier=warm to_tier=cold":     0,
		"engram_evictions_total from_tier=hot to_tier=warm":    30,
		"engram_tier_moves_total from_tier=warm to_tier=hot":   12,
		"engram_storage_usage_bytes tier=cold":                 20000,
		"engram_storage_usage_bytes tier=vectors":              32 << 10,
		"engram_wal_size_bytes":                                64 << 10,
		"engram_compaction_pending_segments":                   2,
		"engram_spreading_queue_depth":                         7,
		"engram_consolidation_lag_seconds":                     90,
		"engram_snapshot_count":                                6,
		"engram_snapshot_last_success_timestamp_seconds":       1_799_000_000,
		"engram_operations_in_flight kind=read":                3,
		"engram_operations_in_flight kind=write":               1,
		"engram_allocation_failures_total":                     3,
		"engram_error_ratio":                                   0.01, // consolidation is no request
		"engram_errors_per_second":                             2.0 / 60,
		"engram_hot_cache_hits_total":                          90,
		"engram_operation_duration_seconds operation=get":      100,
	}
	for name, v := range want {
		if g, ok := got[name]; !ok || g-v > 1e-9*v || v-g > 1e-9*v {
			t.Errorf("%s = %v (%v), want %v", name, g, ok, v)
		}
	}
	for op, ms := range map[string]float64{"spreading": 7, "get": 0.001, "consolidation": 1000} {
		if g := got["engram_p99_latency_ms operation="+op]; g < ms*0.91 || g > ms*1.09 {
			t.Errorf("P99 of %s is %v ms, want %v", op, g, ms)
		}
	}
	if g, ok := got["engram_p99_latency_ms operation=recall"]; ok {
		t.Errorf("no recall, and its P99 is %v", g)
	}
	for _, rising := range []string{"engram_eviction_rate from_tier=warm to_tier=hot", "engram_evictions_total from_tier=warm to_tier=hot"} {
		if _, ok := got[rising]; ok {
			t.Errorf("%s: becoming hot is no eviction", rising)
		}
	}
}

// TestSumOfMemoryIsThePressure holds the preset's pressure, which divides the sum by the limit.
func TestSumOfMemoryIsThePressure(t *testing.T) {
	w := busy(t)
	s := w.series()
	sum := 0.0
	for name, v := range s {
		if strings.HasPrefix(name, "engram_memory_usage_bytes ") {
			sum += v
		}
	}
	if got := sum / s["engram_memory_limit_bytes"]; got != s["engram_memory_pressure_ratio"] {
		t.Errorf("%v, want %v", got, s["engram_memory_pressure_ratio"])
	}
}

// TestMemoryWithoutPressure tells the parts that are known, and no rest.
func TestMemoryWithoutPressure(t *testing.T) {
	w := newWorld(t, nil)
	w.state.Pressure = &pressure.State{Err: errors.New("memory.stat: permission denied")}
	s := w.series()
	if _, ok := s["engram_memory_usage_bytes tier=other"]; ok || s["engram_memory_usage_bytes tier=hot"] != 10*mib {
		t.Errorf("%v", s)
	}
	if _, ok := s["engram_memory_limit_bytes"]; ok {
		t.Error("a limit that nobody read")
	}
	if got := w.unknown("memory"); got != "memory.stat: permission denied" {
		t.Errorf("%q", got)
	}
}

// TestUnknownIsAbsent takes everything away that is measured or told.
func TestUnknownIsAbsent(t *testing.T) {
	w := newWorld(t, map[string]string{"proc/stat": "intr 5\n"})
	w.state = metrics.State{}
	for _, gone := range []string{"proc/self/task", w.deviceName()} {
		if err := os.RemoveAll(filepath.Join(w.root, gone)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(w.data); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	want := map[string]float64{"engram_allocation_failures_total": 0, "engram_cpu_seconds_total": 0, "engram_errors_per_second": 0}
	if diff := cmp.Diff(want, w.series()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestNothingOfTheFirstMoment has no rates yet, and then has them.
func TestNothingOfTheFirstMoment(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	m := metrics.New(metrics.Options{DataDir: t.TempDir(), Now: func() time.Time { return now }})
	m.Operations().Record(metrics.Get, time.Millisecond, nil)
	for _, there := range []bool{false, true} {
		var b bytes.Buffer
		if err := m.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		for _, rate := range []string{"engram_cpu_utilization_percent", "engram_p99_latency_ms", "engram_error_ratio"} {
			if strings.Contains(b.String(), rate) != there {
				t.Errorf("%s after %v", rate, now)
			}
		}
		now = now.Add(time.Second)
	}
}

func TestFormats(t *testing.T) {
	w := busy(t)
	for _, c := range []struct{ target, accept, want string }{
		{"/metrics", "", "application/json"},
		{"/metrics", "*/*", "application/json"},
		{"/metrics", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json"},
		{"/metrics", "application/json", "application/json"},
		{"/metrics", "application/json, text/plain;q=0.5", "application/json"},
		{"/metrics", "text/plain", "text/plain"},
		{"/metrics", "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "application/openmetrics-text"},
		{"/metrics", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.8,text/plain;q=0.5", "application/vnd.google.protobuf"},
		{"/metrics?format=prometheus", "*/*", "text/plain"},
		{"/metrics?format=openmetrics", "", "application/openmetrics-text"},
		{"/metrics?format=protobuf", "", "application/vnd.google.protobuf"},
		{"/metrics?format=json", "text/plain", "application/json"},
	} {
		if got := w.get(c.target, c.accept); got.Code != 200 || !strings.HasPrefix(got.Header().Get("Content-Type"), c.want) || got.Body.Len() == 0 {
			t.Errorf("%s, %s: %d %s, want %s", c.target, c.accept, got.Code, got.Header().Get("Content-Type"), c.want)
		}
	}
	if got := w.get("/metrics?format=xml", ""); got.Code != 400 {
		t.Error(got.Code)
	}
}

// TestProtobufHasBothHistograms is what a Prometheus with native histograms gets, beside Go's and the process's own metrics.
func TestProtobufHasBothHistograms(t *testing.T) {
	w := busy(t)
	families := decode(t, w.get("/metrics?format=protobuf", ""))
	h := families["engram_operation_duration_seconds"].GetMetric()[0].GetHistogram()
	if h.GetSchema() != metrics.Schema || len(h.GetPositiveSpan()) == 0 || len(h.GetBucket()) == 0 || h.GetSampleCount() != 100 {
		t.Errorf("%v", h)
	}
	for _, name := range []string{
		"go_goroutines", "process_resident_memory_bytes", "engram_cpu_limit_cores",
		"go_sync_mutex_wait_total_seconds_total", "go_sched_latencies_seconds", "go_cpu_classes_gc_total_cpu_seconds_total",
	} {
		if families[name] == nil {
			t.Errorf("no %s", name)
		}
	}
}

func decode(t *testing.T, rec *httptest.ResponseRecorder) map[string]*dto.MetricFamily {
	t.Helper()
	out := map[string]*dto.MetricFamily{}
	dec := expfmt.NewDecoder(rec.Body, expfmt.ResponseFormat(rec.Header()))
	for {
		f := &dto.MetricFamily{}
		if err := dec.Decode(f); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out[f.GetName()] = f
	}
}
