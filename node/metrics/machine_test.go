package metrics_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/node/metrics"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/threads"
)

// unknown is why something is not told.
func (w *world) unknown(what string) string {
	w.t.Helper()
	var doc struct{ Unknown map[string]string }
	if err := json.Unmarshal(w.get("/metrics", "").Body.Bytes(), &doc); err != nil {
		w.t.Fatal(err)
	}
	return doc.Unknown[what]
}

// TestUnreadable takes each source away or spoils it: its series are absent, and there is a reason.
func TestUnreadable(t *testing.T) {
	const gone = "gone"
	for name, c := range map[string]struct {
		file, text string
		series     string
		what, why  string
	}{
		"no host":        {"proc/stat", gone, "engram_host_cpu_utilization_percent core=0", "host_cpu", "no such file"},
		"no cores":       {"proc/stat", "cpu 1 2 3 4 5\n", "engram_host_cpu_utilization_percent core=0", "host_cpu", "has no cores"},
		"a short core":   {"proc/stat", "cpu0 1 2 3 4\n", "engram_host_cpu_utilization_percent core=0", "host_cpu", "cpu0: want at least 5 numbers, got 4"},
		"a broken core":  {"proc/stat", "cpu0 1 2 x 4 5\n", "engram_host_cpu_utilization_percent core=0", "host_cpu", `"x" is not a time`},
		"no group":       {"sys/fs/cgroup/cpu.max", "many\n", "engram_cpu_utilization_percent core=all", "cpu_limit", "want a quota and a period"},
		"a broken mask":  {"proc/self/task/2/status", "Cpus_allowed_list:\tx\n", "engram_cpu_limit_cores", "cpu_limit", "thread 2: want a list of cores"},
		"no device":      {"device", gone, "engram_disk_iops", "disk_iops", "is on a file system of no single block device"},
		"a short device": {"device", "1 2 3\n", "engram_disk_iops", "disk_iops", "want at least 11 numbers, got 3"},
		"a new device":   {"device", "1 0 0 0 -2 0 0 0 0 0 0\n", "engram_disk_iops", "disk_iops", `"-2" is not a count`},
	} {
		t.Run(name, func(t *testing.T) {
			w := busy(t)
			file := c.file
			if file == "device" {
				file = w.deviceName()
			}
			if _, ok := w.series()[c.series]; !ok {
				t.Fatalf("%s is not there before", c.series)
			}
			if c.text == gone {
				if err := os.Remove(filepath.Join(w.root, file)); err != nil {
					t.Fatal(err)
				}
			} else {
				w.write(file, c.text)
			}
			if v, ok := w.series()[c.series]; ok {
				t.Errorf("%s is %v", c.series, v)
			}
			if got := w.unknown(c.what); !strings.Contains(got, c.why) {
				t.Errorf("%s: %q, want %q", c.what, got, c.why)
			}
		})
	}
}

func TestCountersThatWentBack(t *testing.T) {
	w := newWorld(t, nil)
	w.pass(time.Minute)
	w.device("1 0 0 0 1 0 0 0 0 0 0\n")                         // another device
	w.write("proc/stat", "cpu0 1 0 1 8 0\ncpu1 0 0 0 2000 0\n") // a core that was off
	w.now = w.now.Add(5 * time.Second)
	s := w.series()
	for _, name := range []string{"engram_disk_iops", "engram_host_cpu_utilization_percent core=0"} {
		if v, ok := s[name]; ok {
			t.Errorf("%s is %v", name, v)
		}
	}
	if _, ok := s["engram_host_cpu_utilization_percent core=1"]; !ok {
		t.Error("the other core is not told either")
	}
	w.now = w.now.Add(-time.Hour)
	if _, ok := w.series()["engram_cpu_utilization_percent core=all"]; ok {
		t.Error("a rate of a time that ran backwards")
	}
	w.Keep()
	w.Operations().Record(metrics.Get, time.Millisecond, nil)
	w.pass(20 * time.Second)
	for _, rate := range []string{"engram_cpu_utilization_percent core=all", "engram_p99_latency_ms operation=get"} {
		if _, ok := w.series()[rate]; !ok {
			t.Errorf("no %s after the clock was set back", rate)
		}
	}
}

// TestLongWindow forgets what is more than a minute ago.
func TestLongWindow(t *testing.T) {
	w := newWorld(t, nil)
	w.pass(time.Minute)
	w.Operations().Record(metrics.Spreading, 100*time.Millisecond, nil)
	const name = "engram_p99_latency_ms operation=spreading"
	for passed := time.Duration(0); passed < 60*time.Second; passed += 10 * time.Second {
		if _, ok := w.series()[name]; !ok {
			t.Fatalf("forgotten after %v", passed)
		}
		w.pass(10 * time.Second)
	}
	w.pass(10 * time.Second)
	if v, ok := w.series()[name]; ok {
		t.Errorf("%v after 70 s", v)
	}
	if n := w.Moments(); n > 15 {
		t.Errorf("%d moments are kept", n)
	}
	w.Operations().Record(metrics.Spreading, time.Millisecond, nil)
	w.now = w.now.Add(time.Second)
	if v := w.series()[name]; v > 1.1 || v < 0.9 {
		t.Errorf("%v ms of a minute with one spread of 1 ms", v)
	}
}

// TestOthersDoNotDisturb asks often in between: the rates are still over the whole time.
func TestOthersDoNotDisturb(t *testing.T) {
	w := newWorld(t, nil)
	w.pass(30 * time.Second)
	for range 150 {
		w.now = w.now.Add(100 * time.Millisecond)
		w.cpu += 100 * time.Millisecond
		_ = w.series()
	}
	if n := w.Moments(); n > 20 {
		t.Errorf("%d moments are kept", n)
	}
	if got := w.series()["engram_cpu_utilization_percent core=all"]; got < 49.9 || got > 50.1 {
		t.Errorf("%v %% of two cores, one of which was used for 15 s", got)
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := metrics.New(metrics.Options{DataDir: t.TempDir()})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- m.Run(ctx) }()
		m.Operations().Record(metrics.Get, time.Millisecond, nil)
		time.Sleep(30 * time.Second)
		var doc struct {
			Latency struct {
				Window float64  `json:"window_seconds"`
				P99    *float64 `json:"p99_ms"`
			}
		}
		read := func() {
			var b strings.Builder
			if err := m.WriteJSON(&b); err != nil {
				t.Fatal(err)
			}
			doc.Latency.P99 = nil
			if err := json.Unmarshal([]byte(b.String()), &doc); err != nil {
				t.Fatal(err)
			}
		}
		if read(); doc.Latency.Window != 30 || doc.Latency.P99 == nil {
			t.Errorf("%+v", doc)
		}
		time.Sleep(time.Hour)
		if read(); doc.Latency.Window < 60 || doc.Latency.Window > 65 || doc.Latency.P99 != nil {
			t.Errorf("%+v", doc)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestKinds(t *testing.T) {
	w := newWorld(t, nil)
	for err, want := range map[error]metrics.Kind{
		fmt.Errorf("x: %w", record.ErrInvalid): metrics.Invalid,
		store.ErrNotFound:                      metrics.NotFound,
		store.ErrVersion:                       metrics.Version,
		store.ErrBusy:                          metrics.Busy,
		store.ErrFull:                          metrics.DiskFull,
		store.ErrReadOnly:                      metrics.ReadOnly,
		store.ErrDamaged:                       metrics.Damaged,
		record.ErrCorrupt:                      metrics.Damaged,
		fmt.Errorf("spreads: %w", threads.ErrQueueFull): metrics.QueueFull,
		fmt.Errorf("x: %w", context.DeadlineExceeded):   metrics.Timeout,
		context.Canceled:                metrics.Cancelled,
		errMemory:                       metrics.NoMemory,
		&threads.PanicError{Value: "x"}: metrics.Internal,
		errors.New("whatever"):          metrics.Internal,
	} {
		name := "engram_operation_errors_total kind=" + want.String() + " operation=remember"
		before := w.series()[name]
		w.Operations().Record(metrics.Remember, 0, err)
		if got := w.series()[name]; got != before+1 {
			t.Errorf("%v is not counted as %s", err, want)
		}
	}
	for _, k := range []metrics.Kind{metrics.Invalid, metrics.NotFound, metrics.Conflict, metrics.Version, metrics.Cancelled, metrics.Maintenance} {
		if k.Fault() {
			t.Errorf("%s is the node's fault", k)
		}
	}
	for _, k := range []metrics.Kind{metrics.Timeout, metrics.Busy, metrics.DiskFull, metrics.NoMemory, metrics.ReadOnly, metrics.Internal} {
		if !k.Fault() {
			t.Errorf("%s is nobody's fault", k)
		}
	}
}

// TestStorage counts what is allocated, once.
func TestStorage(t *testing.T) {
	w := newWorld(t, nil)
	before := w.series()
	if got := before["engram_storage_usage_bytes tier=base"]; got < 128<<10-40000 || got > 128<<10 {
		t.Errorf("the base takes %v beyond 40000 bytes of values", got)
	}
	snap := filepath.Join(w.data, "snapshots", "a")
	if err := os.Link(filepath.Join(w.data, "spaces/1/base.db"), filepath.Join(snap, "link.db")); err != nil {
		t.Fatal(err)
	}
	sparse, err := os.Create(filepath.Join(w.data, "spaces/1/vectors.more"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sparse.Truncate(1<<30), sparse.Close()); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Minute)
	after := w.series()
	sum := func(s map[string]float64) (n float64) {
		for name, v := range s {
			if strings.HasPrefix(name, "engram_storage_usage_bytes ") {
				n += v
			}
		}
		return n
	}
	if got, want := sum(after), sum(before); got != want {
		t.Errorf("a link and a hole take %v bytes", got-want)
	}
	if got := after["engram_storage_limit_bytes"]; got <= sum(after) {
		t.Errorf("the limit %v leaves nothing free", got)
	}
}

func FuzzMachine(f *testing.F) {
	f.Add("100 0 100 800 0 0 0 0 0 0", "100 0 0 0 200 0 0 0 0 0 0 0 0 0 0 7 0")
	f.Add("18446744073709551615 1 1 1 1", "4611686018427387904 0 0 0 4611686018427387904 0 0 0 0 0 0")
	f.Fuzz(func(t *testing.T, core, device string) {
		worked, all, ops, err := metrics.ParseMachine(strings.Fields(core), device)
		if err == nil && worked > all {
			t.Errorf("%d of %d ticks, %d operations", worked, all, ops)
		}
	})
}
