package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/engramd/engramd/agent/telemetry"
)

// A book keeps log lines.
type book struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.Write(p)
}

func (b *book) count(s string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.lines.String(), s)
}

func (b *book) log() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// counter reads one metric of a registry, summed over its labels that match.
func counter(t *testing.T, reg *prometheus.Registry, name string, label ...string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if len(label) == 2 {
				found := false
				for _, l := range m.GetLabel() {
					found = found || l.GetName() == label[0] && l.GetValue() == label[1]
				}
				if !found {
					continue
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// filled leaves a store with samples of x from 00:00 to 03:00 in dir: a block, and a log.
func filled(t *testing.T, dir string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tel, err := telemetry.New(telemetry.Options{Dir: dir, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
			Config: telemetry.Config{Interval: interval}})
		if err != nil {
			t.Fatal(err)
		}
		for range 4 * 60 * 4 {
			put(t, tel, metric("x"), 0, 1)
			time.Sleep(interval)
		}
		time.Sleep(5 * time.Minute) // a block is written in the background
		if err := tel.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(pattern)
	if err != nil || len(list) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	return list
}

func TestDamagedStoreIsRepairedAndSaysSo(t *testing.T) {
	scribble := func(t *testing.T, path string) {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := len(data) / 3; i < len(data); i += 7 {
			data[i] ^= 0x5a
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name   string
		damage func(t *testing.T, dir string)
		block  bool // the block must still answer
	}{
		{"log", func(t *testing.T, dir string) {
			list := glob(t, dir+"/wal/0*")
			scribble(t, list[0])
		}, true},
		{"log is a directory", func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir+"/wal/00000099", 0o700))
		}, true},
		{"log is missing", func(t *testing.T, dir string) { must(t, os.RemoveAll(dir+"/wal")) }, true},
		{"log is a file", func(t *testing.T, dir string) {
			must(t, os.RemoveAll(dir+"/wal"))
			must(t, os.WriteFile(dir+"/wal", []byte("x"), 0o600))
		}, true},
		{"chunks", func(t *testing.T, dir string) {
			must(t, os.WriteFile(dir+"/chunks_head/000001", bytes.Repeat([]byte("garbage"), 1000), 0o600))
		}, true},
		{"chunks are a file", func(t *testing.T, dir string) {
			must(t, os.RemoveAll(dir+"/chunks_head"))
			must(t, os.WriteFile(dir+"/chunks_head", nil, 0o600))
		}, true},
		{"index of a block", func(t *testing.T, dir string) { scribble(t, glob(t, dir+"/0*/index")[0]) }, false},
		{"index is gone", func(t *testing.T, dir string) { must(t, os.Remove(glob(t, dir+"/0*/index")[0])) }, false},
		{"meta of a block", func(t *testing.T, dir string) { scribble(t, glob(t, dir+"/0*/meta.json")[0]) }, false},
		{"chunks of a block", func(t *testing.T, dir string) { must(t, os.Truncate(glob(t, dir+"/0*/chunks/000001")[0], 3)) }, false},
	}
	seed := t.TempDir()
	filled(t, seed)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.CopyFS(dir, os.DirFS(seed)))
			tt.damage(t, filepath.Join(dir, "metrics"))
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(4*time.Hour + 6*time.Minute)
				b, reg := &book{}, prometheus.NewRegistry()
				tel := open(t, telemetry.Options{Dir: dir, Registry: reg, Log: b.log(), Config: telemetry.Config{Interval: interval}})
				if tt.block {
					if n := seriesAt(t, tel, "x", time.Now().Add(-3*time.Hour)); n != 1 {
						t.Errorf("the block shows %d series", n)
					}
				}
				put(t, tel, metric("x"), 0, 5)
				if r := tel.Read(t.Context(), "x", time.Now()); r.Value != 5 {
					t.Errorf("after the repair: %+v", r)
				}
				if strings.Contains(tt.name, "missing") || strings.Contains(tt.name, "chunks") || strings.Contains(tt.name, "meta") {
					return // the tsdb does without, and tells its log
				}
				if counter(t, reg, "engramd_store_repairs_total") < 1 || b.count("was damaged") != 1 {
					t.Errorf("the repair is not told: %v\n%s", counter(t, reg, "engramd_store_repairs_total"), b.lines.String())
				}
			})
		})
	}
}

// seriesAt counts the series of a metric at an instant of the past, where Read would call them old.
func seriesAt(t *testing.T, tel *telemetry.Telemetry, name string, at time.Time) int {
	t.Helper()
	v, err := tel.Query(t.Context(), name, at)
	if err != nil {
		t.Fatal(err)
	}
	return len(v)
}

func TestStoreInUseElsewhere(t *testing.T) {
	dir := t.TempDir()
	open(t, telemetry.Options{Dir: dir})
	_, err := telemetry.New(telemetry.Options{Dir: dir, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		Config: telemetry.Config{Interval: time.Second}})
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "metrics", "set-aside")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the other's store was touched")
	}
}

func TestStoreThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "metrics"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := telemetry.New(telemetry.Options{Dir: dir, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		Config: telemetry.Config{Interval: time.Second}})
	if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "metrics")) {
		t.Errorf("got %v", err)
	}
}

func TestFullDiskIsSaidOnceAndSignalsTurnUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, reg := &book{}, prometheus.NewRegistry()
		tel := open(t, telemetry.Options{Registry: reg, Log: b.log(), Config: telemetry.Config{Interval: interval}})
		var mu sync.Mutex
		left := uint64(1 << 40)
		tel.SetFreeBytes(func(string) (uint64, error) {
			mu.Lock()
			defer mu.Unlock()
			return left, nil
		})
		set := func(n uint64) {
			mu.Lock()
			defer mu.Unlock()
			left = n
		}
		run(t, tel)
		read := func() bool { return tel.Read(t.Context(), "engramd_host_memory_total_bytes", time.Now()).Known }
		const said = "the metric store takes no samples"
		synctest.Wait()
		if !read() {
			t.Fatal("nothing is measured")
		}
		set(1 << 20)
		time.Sleep(2 * time.Minute)
		if read() {
			t.Error("known from samples of before")
		}
		if n := b.count(said); n != 1 || counter(t, reg, "engramd_store_full") != 1 {
			t.Errorf("said %d times", n)
		}
		if counter(t, reg, "engramd_store_samples_dropped_total", "reason", "store_full") == 0 {
			t.Error("what was dropped is not counted")
		}
		set(1 << 40)
		time.Sleep(time.Minute)
		if !read() || counter(t, reg, "engramd_store_full") != 0 || b.count("takes samples again") != 1 || b.count(said) != 1 {
			t.Errorf("it does not go on: %s", b.lines.String())
		}
	})
}

func TestClockThatWentBackWhileTheAgentWasDown(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir) // up to 04:00; the next bubble begins at 00:00 again
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(150 * time.Minute)
		b, reg := &book{}, prometheus.NewRegistry()
		tel := open(t, telemetry.Options{Dir: dir, Registry: reg, Log: b.log(), Config: telemetry.Config{Interval: interval}})
		if r := tel.Read(t.Context(), "x", time.Now()); r.Known || !strings.Contains(r.Reason, "behind the newest sample") {
			t.Errorf("x was taken by a clock that is no more: %+v", r)
		}
		run(t, tel)
		synctest.Wait()
		if r := tel.Read(t.Context(), "x", time.Now()); r.Known {
			t.Errorf("x is still that of before: %+v", r)
		}
		if r := tel.Read(t.Context(), "engramd_host_memory_total_bytes", time.Now()); !r.Known {
			t.Errorf("what is measured now: %+v", r)
		}
		if n := seriesAt(t, tel, "x", time.Now().Add(-time.Minute)); n != 1 {
			t.Errorf("the history before now has %d series", n)
		}
		put(t, tel, metric("x"), 0, 5)
		if r := tel.Read(t.Context(), "x", time.Now()); r.Value != 5 {
			t.Errorf("new samples: %+v", r)
		}
		if counter(t, reg, "engramd_clock_back_total") != 1 || b.count("the clock went back") != 1 {
			t.Errorf("it is not told once: %s", b.lines.String())
		}
		time.Sleep(time.Hour)
		if r := tel.Read(t.Context(), "engramd_host_memory_total_bytes", time.Now()); !r.Known {
			t.Errorf("an hour later: %+v", r)
		}
	})
}

func TestOutOfOrderSamplesAreDroppedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		reg := prometheus.NewRegistry()
		tel := open(t, telemetry.Options{Registry: reg, Config: telemetry.Config{Interval: interval}})
		put(t, tel, metric("x"), 0, 5)
		a := tel.Storage().Appender(t.Context())
		if _, err := a.Append(0, labels.FromStrings("__name__", "x"), time.Now().Add(-time.Minute).UnixMilli(), 1); err == nil {
			t.Error("an old sample was taken")
		}
		if err := a.Commit(); err != nil {
			t.Error(err)
		}
		if n := counter(t, reg, "engramd_store_samples_dropped_total", "reason", "out_of_order"); n != 1 {
			t.Errorf("counted %v", n)
		}
	})
}

func TestForwardJumpIsStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel := open(t, telemetry.Options{Config: telemetry.Config{Interval: interval}})
		put(t, tel, metric("x"), 0, 5)
		time.Sleep(72 * time.Hour) // nobody measured meanwhile
		if r := tel.Read(t.Context(), "x", time.Now()); r.Known {
			t.Errorf("got %+v", r)
		}
		put(t, tel, metric("x"), 0, 6)
		if r := tel.Read(t.Context(), "x", time.Now()); r.Value != 6 {
			t.Errorf("got %+v", r)
		}
	})
}

func TestCloseIsIdempotentAndReadsSaySo(t *testing.T) {
	tel := open(t, telemetry.Options{})
	for range 2 {
		if err := tel.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if r := tel.Read(t.Context(), "x", time.Now()); r.Known || !strings.Contains(r.Reason, "closed") {
		t.Errorf("read: %+v", r)
	}
	if r := tel.Mean(t.Context(), "x", time.Now().Add(-time.Minute), time.Now()); r.Known || !strings.Contains(r.Reason, "closed") {
		t.Errorf("mean: %+v", r)
	}
	a := tel.Storage().Appender(t.Context())
	if _, err := a.Append(0, labels.FromStrings("__name__", "x"), 1, 1); err != nil {
		t.Errorf("append: %v", err)
	}
	if err := a.Commit(); err != nil {
		t.Errorf("commit: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tel.Run(ctx); err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestRetentionIsKeptAndCanChange(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(4*time.Hour + 6*time.Minute)
		tel := open(t, telemetry.Options{Dir: dir, Config: telemetry.Config{Interval: interval}})
		if err := tel.Reload(telemetry.Config{Interval: interval, Retention: time.Hour}); err != nil {
			t.Fatal(err)
		}
		for i := range 12 {
			put(t, tel, metric("x"), 0, float64(i))
			time.Sleep(time.Hour)
		}
		if n := seriesAt(t, tel, "x", time.Now().Add(-12*time.Hour)); n != 0 {
			t.Errorf("what is older than the retention is still there: %d", n)
		}
	})
}

func TestInvalidConfigIsRefusedWhole(t *testing.T) {
	tel := open(t, telemetry.Options{})
	secret := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(secret, []byte("X-Token hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := tel.Reload(telemetry.Config{
		Interval: -1,
		Scrapes: []telemetry.Scrape{
			{URL: "ftp://x/"}, {URL: "http://"}, {URL: "http://u:p@x/"}, {URL: "http://x/%zz"},
			{URL: "http://x/", BearerTokenFile: "/nonexistent"}, {URL: "http://x/", HeadersFile: secret},
			{URL: "https://x/", CAFile: "/nonexistent"}, {URL: "http://x/", Timeout: time.Hour},
		},
		Remote: &telemetry.Remote{URL: "prometheus:9090"},
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{
		"must be longer than zero", "scrape ftp://x/: the URL must begin with http", "names no host", "holds a password",
		"invalid URL escape", "read the bearer token", secret + ":1: want", "read the certificates", "want a URL such as",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows a secret: %v", err)
	}
	if err := fmt.Sprint(tel.Reload(telemetry.Config{Interval: time.Second})); err != "<nil>" {
		t.Error(err)
	}
}

// References to series are of one database; after an exchange they mean other series.
func TestSeriesAreTheSameAfterARewind(t *testing.T) {
	measuring(t, func(t *testing.T, _ *machine, tel *telemetry.Telemetry, _ *book) {
		time.Sleep(10 * time.Minute)
		for i := range 20 { // so that references count differently
			put(t, tel, metric(fmt.Sprint("x", i)), 0, 1)
		}
		if err := tel.Rewind(t.Context(), time.Now().Add(-5*time.Minute)); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			put(t, tel, metric(fmt.Sprint("y", time.Now().Unix())), 0, 1)
			time.Sleep(interval)
		}
		synctest.Wait()
		for expr, want := range map[string]float64{
			"engramd_host_memory_total_bytes": 8 << 30, "engramd_host_cpu_cores": 2, "engramd_target_memory_usage_bytes": 3e8,
			"engramd_target_cpu_limit_cores": 1, "engramd_host_load1": 0.5,
		} {
			if r := tel.Read(t.Context(), expr, time.Now()); !r.Known || r.Value != want {
				t.Errorf("%s: got %+v, want %v", expr, r, want)
			}
		}
	})
}

func TestMemoryOfTheMeterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		tel := open(t, telemetry.Options{Root: m.root, Config: telemetry.Config{Interval: interval,
			Targets: []telemetry.Target{{Name: "web", Observe: m.observe}}}})
		run(t, tel)
		for i := range 100 { // a crash loop: each time another container
			m.set(func() { m.parts[0].ID = fmt.Sprint("id", i) })
			time.Sleep(interval)
		}
		if parts, _ := tel.RingSize("web"); parts > 64 {
			t.Errorf("%d parts", parts)
		}
		time.Sleep(3 * time.Hour)
		if parts, readings := tel.RingSize("web"); parts != 1 || readings > 481 {
			t.Errorf("%d parts with %d readings", parts, readings)
		}
	})
}
