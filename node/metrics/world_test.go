package metrics_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node/metrics"
	"github.com/engramd/engramd/node/pressure"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/threads"
	"github.com/engramd/engramd/node/tier"
	"github.com/engramd/engramd/node/wal"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a machine with two cores, a data directory, a clock and a node.
type world struct {
	*metrics.Metrics
	t     *testing.T
	root  string
	data  string
	now   time.Time
	cpu   time.Duration // of the process
	state metrics.State
	iops  float64
}

const (
	mib = 1 << 20
	gib = 1 << 30
)

func newWorld(t *testing.T, files map[string]string) *world {
	t.Helper()
	w := &world{t: t, root: t.TempDir(), data: t.TempDir(), now: time.Unix(1_800_000_000, 0), state: full()}
	all := map[string]string{
		"proc/self/task/1/status":    "Name:\tx\nCpus_allowed_list:\t0-1\n",
		"proc/self/task/2/status":    "Cpus_allowed_list:\t1-3\n",
		"proc/self/task/1/schedstat": "4000000000 1500000000 12\n",
		"proc/self/task/2/schedstat": "1000000000 500000000 7\n",
		"proc/self/cgroup":           "0::/\n",
		"proc/self/mountinfo":        "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		"sys/fs/cgroup/cpu.max":      "200000 100000\n",
		"proc/stat":                  "cpu 9 9 9 9 9\ncpu0 100 0 100 800 0 0 0 0 0 0\ncpu1 0 0 0 1000 0 0 0 0 0 0\nintr 1\n",
	}
	maps.Copy(all, files)
	for name, text := range all {
		w.write(name, text)
	}
	w.device("100 0 0 0 200 0 0 0 0 0 0 0 0 0 0 7 0\n")
	for name, size := range map[string]int{"wal/1-a.wal": 64 << 10, "spaces/1/base.db": 128 << 10, "spaces/1/vectors": 32 << 10, "snapshots/a/base.db": 16 << 10, "catalog.json": 1} {
		path := filepath.Join(w.data, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, bytes.Repeat([]byte{1}, size), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	w.Metrics = metrics.New(metrics.Options{
		Root: w.root, DataDir: w.data, Now: func() time.Time { return w.now }, State: func() metrics.State { return w.state },
		DiskCeiling: func() (float64, string) { return w.iops, "configured" },
		Kind: func(err error) (metrics.Kind, bool) {
			return metrics.NoMemory, errors.Is(err, errMemory)
		},
	})
	w.SetProcessTime(func() (time.Duration, error) { return w.cpu, nil })
	w.now = w.now.Add(5 * time.Second) // New has kept a moment with the time of the real process
	w.Keep()
	return w
}

var errMemory = errors.New("no memory is left")

// full is the state of a node of which everything is known.
func full() metrics.State {
	policy := tier.DefaultPolicy()
	return metrics.State{
		Tiers: &tier.Stats{
			SpaceStats: tier.SpaceStats{
				Distribution: tier.Distribution{Hot: 80, Warm: 120, Cold: 800, Total: 1000},
				Desired:      tier.Distribution{Hot: 75, Warm: 115, Cold: 810, Total: 1000},
				StoredBytes:  tier.Distribution{Hot: 8000, Warm: 12000, Cold: 20000, Total: 40000},
				Hits:         90, Misses: 10,
			},
			HotResident: tier.Usage{Records: 70, Bytes: 10 * mib, FixedBytes: mib, LimitBytes: 64 * mib},
			Moves: []tier.Moved{
				{From: tier.Hot, To: tier.Warm, Total: 30, PerSecond: 0.5},
				{From: tier.Warm, To: tier.Hot, Total: 12, PerSecond: 0.2},
				{From: tier.Warm, To: tier.Cold, Total: 20, PerSecond: 0},
			},
			Owner: tier.Node, Settings: tier.Settings{Policy: policy}, Pressure: "calm",
		},
		Store:            &store.Stats{WAL: wal.Stats{DiskBytes: 64 << 10, SealedPending: 2, Batches: 5, WrittenBytes: 500}, MemtableBytes: 20 * mib},
		Pressure:         &pressure.State{Level: pressure.Calm, Ratio: 0.25, Reading: pressure.Reading{Bounds: []pressure.Bound{{Name: "GOMEMLIMIT", UsedBytes: 256 * mib, LimitBytes: gib}, {Name: "/sys/fs/cgroup", UsedBytes: 256 * mib, LimitBytes: 2 * gib}}}},
		Spreading:        &threads.PoolStats{Workers: 2, Busy: 2, QueueDepth: 7, QueueLimit: 1024},
		Consolidation:    &threads.PoolStats{Workers: 1, QueueLimit: 16},
		ConsolidationLag: new(90 * time.Second),
		InFlight:         &metrics.InFlight{Reads: 3, Writes: 1},
		Snapshots:        &metrics.Snapshots{Count: 6, LastSuccess: time.Unix(1_799_000_000, 0).UTC()},
		IndexBytes:       new(int64(50 * mib)),
		Spaces:           new(int64(1)), Memories: new(int64(1000)), Edges: new(int64(9000)),
		Maintenance: new(false),
	}
}

func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// deviceName is where the counters of the data directory's device are.
func (w *world) deviceName() string {
	var st unix.Stat_t
	if err := unix.Stat(w.data, &st); err != nil {
		w.t.Fatal(err)
	}
	return filepath.Join("sys/dev/block", strings.Join([]string{itoa(unix.Major(st.Dev)), itoa(unix.Minor(st.Dev))}, ":"), "stat")
}

func (w *world) device(stat string) { w.write(w.deviceName(), stat) }

func itoa(n uint32) string { b, _ := json.Marshal(n); return string(b) }

// pass lets time pass and keeps the moments that Run would keep.
func (w *world) pass(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(min(5*time.Second, end.Sub(w.now)))
		w.Keep()
	}
}

// series are the engram_* metrics as Prometheus sees them, by name and labels.
func (w *world) series() map[string]float64 {
	w.t.Helper()
	families, err := w.Registry().Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "engram_") {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			out[strings.TrimSuffix(f.GetName()+" "+strings.Join(labels, " "), " ")] = value(m)
		}
	}
	return out
}

func value(m *dto.Metric) float64 {
	switch {
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Untyped != nil:
		return m.Untyped.GetValue()
	default:
		return float64(m.Histogram.GetSampleCount())
	}
}

// get asks the handler.
func (w *world) get(target, accept string) *httptest.ResponseRecorder {
	w.t.Helper()
	q := httptest.NewRequest("GET", target, nil)
	if accept != "" {
		q.Header.Set("Accept", accept)
	}
	rec := httptest.NewRecorder()
	w.Handler().ServeHTTP(rec, q)
	return rec
}
