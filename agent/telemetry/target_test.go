package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/tools/txtar"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/telemetry"
	"github.com/engramd/engramd/policy"
)

// A machine is a recorded /proc and /sys, and a platform with one target on it.
type machine struct {
	t    *testing.T
	root string

	mu    sync.Mutex
	parts []actuators.Part
	err   error
	hangs bool
}

const scope = "sys/fs/cgroup/system.slice/docker-ab12.scope/"

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t, root: t.TempDir(), parts: []actuators.Part{
		{ID: "ab12", Name: "web-1", PID: 42, Running: true, Restarts: 2, Healthy: "healthy", StartedAt: time.Unix(946684000, 0)},
	}}
	archive, err := txtar.ParseFile("testdata/host.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		m.write(f.Name, string(f.Data))
	}
	return m
}

func (m *machine) write(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func (m *machine) observe(ctx context.Context) (actuators.State, error) {
	m.mu.Lock()
	parts, err, hangs := slices.Clone(m.parts), m.err, m.hangs
	m.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return actuators.State{}, ctx.Err()
	}
	return actuators.State{Parts: parts}, err
}

// measuring runs f in virtual time, beside a Telemetry that reads m as target "web".
func measuring(t *testing.T, f func(t *testing.T, m *machine, tel *telemetry.Telemetry, b *book)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m, b := newMachine(t), &book{}
		tel := open(t, telemetry.Options{Root: m.root, Log: b.log(), Config: telemetry.Config{Interval: interval,
			Targets: []telemetry.Target{{Name: "web", Observe: m.observe}}}})
		run(t, tel)
		time.Sleep(time.Second) // so that what f does happens between two readings
		f(t, m, tel, b)
	})
}

// now lists what a selector shows at this instant.
func now(t *testing.T, tel *telemetry.Telemetry, expr string) map[string]float64 {
	t.Helper()
	v, err := tel.Query(t.Context(), expr, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, s := range v {
		got[s.Metric.String()] = s.F
	}
	return got
}

func TestWhatIsMeasuredOfATarget(t *testing.T) {
	measuring(t, func(t *testing.T, m *machine, tel *telemetry.Telemetry, _ *book) {
		// 7.5 s of CPU, 3 s of waiting and 150 of 150 periods throttled in one interval.
		m.write(scope+"cpu.stat", "usage_usec 20000000\nuser_usec 15000000\nsystem_usec 5000000\nnr_periods 4150\nnr_throttled 1350\nthrottled_usec 61000000\n")
		m.write(scope+"cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=8000000\n")
		time.Sleep(interval)
		synctest.Wait()
		got := map[string]float64{}
		for series, v := range now(t, tel, `{__name__=~"engramd_target_.*", __name__!="engramd_target_info"}`) {
			name := strings.TrimPrefix(series, `{__name__="engramd_target_`)
			got[strings.TrimSuffix(name, `", target="web"}`)] = v
		}
		want := map[string]float64{
			"up": 1, "cpu_seconds_total": 20, "cpu_user_seconds_total": 15, "cpu_system_seconds_total": 5,
			"cpu_throttled_seconds_total": 61, "cpu_periods_total": 4150, "cpu_throttled_periods_total": 1350,
			"cpu_limit_cores": 1, "cpu_unlimited": 0, "cpuset_cpus": 5, "cpuset_mems": 2,
			"cpu_pressure_seconds_total": 8, "cpu_pressure_ratio": 0.2,
			"memory_usage_bytes": 3e8, "memory_working_set_bytes": 2.4e8, "memory_anon_bytes": 2e8, "memory_file_bytes": 9e7,
			"memory_kernel_bytes": 1e7, "memory_swap_bytes": 0, "memory_limit_bytes": 536870912, "memory_unlimited": 0,
			"memory_limit_hits_total": 20, "memory_refaults_total": 12, "oom_kills_total": 1,
			"memory_pressure_seconds_total": 20e-6, "memory_pressure_some_seconds_total": 30e-6, "memory_pressure_ratio": 0,
			"io_pressure_seconds_total": 8e-6, "io_pressure_some_seconds_total": 9e-6,
			"io_read_bytes_total": 4196, "io_written_bytes_total": 8392, "io_reads_total": 11, "io_writes_total": 22,
			"numa_local_ratio": 1, "pids": 16, "restarts_total": 2, "start_time_seconds": 946684000, "healthy": 1,
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		info := map[string]float64{`{__name__="engramd_target_info", cpus="0-3,6", mems="0-1", part="web-1", target="web"}`: 1}
		if d := cmp.Diff(info, now(t, tel, "engramd_target_info")); d != "" {
			t.Error(d)
		}
		u := tel.Used("web", time.Now().Add(-interval-2*time.Second), time.Now())
		usage := map[string]float64{"cores": *u.Cores, "throttled": *u.ThrottledRatio, "stall": *u.CPUStall, "limit": *u.CPULimit,
			"working_set": float64(*u.WorkingSet), "kills": float64(*u.OOMKills), "samples": float64(u.Samples)}
		if d := cmp.Diff(map[string]float64{"cores": 0.5, "throttled": 1, "stall": 0.2, "limit": 1, "working_set": 2.4e8, "kills": 0, "samples": 2}, usage); d != "" {
			t.Error(d)
		}
	})
}

func TestUnlimitedShowsTheHost(t *testing.T) {
	measuring(t, func(t *testing.T, m *machine, tel *telemetry.Telemetry, _ *book) {
		m.write("sys/fs/cgroup/system.slice/cpu.max", "max 100000\n")
		m.write(scope+"cpu.max", "max 100000\n")
		m.write(scope+"memory.max", "max\n")
		time.Sleep(interval)
		synctest.Wait()
		for expr, want := range map[string]float64{
			"engramd_target_cpu_unlimited": 1, "engramd_target_cpu_limit_cores": 2,
			"engramd_target_memory_unlimited": 1, "engramd_target_memory_limit_bytes": 8 << 30,
		} {
			if r := tel.Read(t.Context(), expr, time.Now()); !r.Known || r.Value != want {
				t.Errorf("%s: got %+v, want %v", expr, r, want)
			}
		}
		if u := tel.Used("web", time.Now().Add(-2*time.Second), time.Now()); u.CPULimit != nil || u.MemoryLimit != nil {
			t.Errorf("the Meter has limits: %+v", u)
		}
	})
}

func TestTargetThatVanishesEndsItsSeries(t *testing.T) {
	measuring(t, func(t *testing.T, m *machine, tel *telemetry.Telemetry, b *book) {
		const cpu = "engramd_target_cpu_seconds_total"
		m.set(func() { m.err = fmt.Errorf("no such container: %w", actuators.ErrNotFound) })
		time.Sleep(interval)
		synctest.Wait()
		if r := tel.Read(t.Context(), cpu, time.Now()); r.Known {
			t.Errorf("got %+v", r)
		}
		if r := tel.Read(t.Context(), "engramd_target_up", time.Now()); !r.Known || r.Value != 0 {
			t.Errorf("up: %+v", r)
		}
		if _, err := tel.Sample(t.Context(), "web"); !errors.Is(err, actuators.ErrNotFound) {
			t.Errorf("sample: %v", err)
		}
		time.Sleep(time.Hour)
		if n := b.count("target cannot be measured"); n != 1 {
			t.Errorf("said %d times", n)
		}
		m.set(func() { m.err = nil })
		time.Sleep(interval)
		synctest.Wait()
		if r := tel.Read(t.Context(), cpu, time.Now()); !r.Known {
			t.Errorf("back again: %+v", r)
		}
		if n := b.count("target is measured again"); n != 1 {
			t.Errorf("said %d times", n)
		}
	})
}

func TestDaemonThatIsAwayDoesNotHideARunningTarget(t *testing.T) {
	measuring(t, func(t *testing.T, m *machine, tel *telemetry.Telemetry, b *book) {
		m.set(func() { m.err = errors.New("connect to the daemon: refused") })
		time.Sleep(10 * interval)
		synctest.Wait()
		if r := tel.Read(t.Context(), "engramd_target_cpu_seconds_total", time.Now()); !r.Known {
			t.Errorf("its cgroup is still there: %+v", r)
		}
		// Then the container ends, and nobody tells.
		if err := os.RemoveAll(filepath.Join(m.root, scope)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(interval)
		synctest.Wait()
		if r := tel.Read(t.Context(), "engramd_target_cpu_seconds_total", time.Now()); r.Known {
			t.Errorf("it is gone: %+v", r)
		}
		if b.count("target cannot be measured") != 1 {
			t.Errorf("it is not said: %s", b.text())
		}
	})
}

func TestTargetThatHangsHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		stuck := newMachine(t)
		stuck.hangs = true
		c := telemetry.Config{Interval: interval, Targets: []telemetry.Target{{Name: "web", Observe: m.observe}}}
		for i := range 30 {
			c.Targets = append(c.Targets, telemetry.Target{Name: fmt.Sprint("stuck", i), Observe: stuck.observe})
		}
		tel := open(t, telemetry.Options{Root: m.root, Config: c})
		run(t, tel)
		time.Sleep(10 * time.Minute)
		if r := tel.Read(t.Context(), `engramd_target_cpu_seconds_total{target="web"}`, time.Now()); !r.Known {
			t.Errorf("got %+v", r)
		}
		if r := tel.Read(t.Context(), "count(engramd_target_up == 0)", time.Now()); r.Value != 30 {
			t.Errorf("got %+v", r)
		}
	})
}

func TestCountersThatBeginAgainWithANewContainer(t *testing.T) {
	measuring(t, func(t *testing.T, m *machine, tel *telemetry.Telemetry, _ *book) {
		began := time.Now()
		usage := func(usec int) { m.write(scope+"cpu.stat", fmt.Sprintf("usage_usec %d\n", usec)) }
		usage(20000000)
		time.Sleep(interval)
		synctest.Wait()
		// The same container in a new process: its cgroup is new, its counters are small.
		m.set(func() {
			m.parts[0].PID, m.parts[0].Restarts, m.parts[0].OOMKilled = 43, 3, true
		})
		m.write("proc/43/cgroup", "0::/system.slice/docker-cd34.scope\n")
		if err := os.CopyFS(filepath.Join(m.root, "sys/fs/cgroup/system.slice/docker-cd34.scope"), os.DirFS(filepath.Join(m.root, scope))); err != nil {
			t.Fatal(err)
		}
		fresh := strings.Replace(scope, "ab12", "cd34", 1)
		m.write(fresh+"cpu.stat", "usage_usec 1500000\n")
		m.write(fresh+"memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n")
		time.Sleep(interval)
		synctest.Wait()
		m.write(fresh+"cpu.stat", "usage_usec 9000000\n")
		time.Sleep(interval)
		synctest.Wait()
		u := tel.Used("web", began.Add(-2*time.Second), time.Now())
		// 7.5 s in each of the two intervals within one process; what lies between is not made up.
		if u.Cores == nil || *u.Cores != 0.5 || u.Samples != 4 {
			t.Errorf("got %v cores of %d samples", u.Cores, u.Samples)
		}
		if *u.Restarts != 1 || *u.OOMKills != 1 {
			t.Errorf("got %d restarts, %d kills", *u.Restarts, *u.OOMKills)
		}
		if r := tel.Read(t.Context(), "increase(engramd_target_cpu_seconds_total[1m]) >= bool 0", time.Now()); r.Value != 1 {
			t.Errorf("a restart is a decrease: %+v", r)
		}
	})
}

func TestSeveralPartsHavePodLabelsAndTheMeterTakesTheWorst(t *testing.T) {
	measuring(t, func(t *testing.T, m *machine, tel *telemetry.Telemetry, _ *book) {
		m.set(func() {
			m.parts = append(m.parts,
				actuators.Part{ID: "cd34", Name: "web-2", Cgroup: "/system.slice/docker-cd34.scope", Running: true},
				actuators.Part{ID: "far", Name: "web-3", Running: true, Restarts: 7,
					Effective: policy.Size{policy.CPU: policy.Amount(500), policy.Memory: policy.Unlimited()}})
		})
		if err := os.CopyFS(filepath.Join(m.root, "sys/fs/cgroup/system.slice/docker-cd34.scope"), os.DirFS(filepath.Join(m.root, scope))); err != nil {
			t.Fatal(err)
		}
		m.write(strings.Replace(scope, "ab12", "cd34", 1)+"memory.current", "500000000\n")
		time.Sleep(interval)
		synctest.Wait()
		want := map[string]float64{`{pod="web-1", target="web"}`: 3e8, `{pod="web-2", target="web"}`: 5e8}
		if d := cmp.Diff(want, now(t, tel, "engramd_target_memory_usage_bytes + 0")); d != "" {
			t.Error(d)
		}
		want = map[string]float64{`{pod="web-1", target="web"}`: 1, `{pod="web-2", target="web"}`: 1, `{pod="web-3", target="web"}`: 0.5}
		if d := cmp.Diff(want, now(t, tel, "engramd_target_cpu_limit_cores + 0")); d != "" {
			t.Error(d)
		}
		if got := now(t, tel, `engramd_target_memory_unlimited{pod="web-3"} + engramd_target_restarts_total`); !slices.Equal(slices.Collect(maps.Values(got)), []float64{8}) {
			t.Errorf("elsewhere: %v", got)
		}
		u, err := tel.Sample(t.Context(), "web")
		if err != nil || *u.MemoryBytes != 5e8 || u.Samples != 2 {
			t.Errorf("got %+v, %v", u, err)
		}
	})
}

func TestBrokenFilesLeaveTheRestMeasured(t *testing.T) {
	measuring(t, func(t *testing.T, m *machine, tel *telemetry.Telemetry, b *book) {
		m.write(scope+"memory.stat", "anon nonsense\n")
		time.Sleep(10 * interval)
		synctest.Wait()
		if r := tel.Read(t.Context(), "engramd_target_cpu_seconds_total", time.Now()); !r.Known {
			t.Errorf("got %+v", r)
		}
		if r := tel.Read(t.Context(), "engramd_target_memory_anon_bytes", time.Now()); r.Known {
			t.Errorf("got %+v", r)
		}
		if n := b.count("some of a target cannot be read"); n != 1 {
			t.Errorf("said %d times: %s", n, b.text())
		}
	})
}

func TestHost(t *testing.T) {
	measuring(t, func(t *testing.T, m *machine, tel *telemetry.Telemetry, b *book) {
		m.write("proc/stat", "cpu  1400 0 200 1900 0 0 0 0 0 0\ncpu0 1225 0 75 900 0 0 0 0 0 0\ncpu1 175 0 125 1000 0 0 0 0 0 0\n")
		if err := os.Remove(filepath.Join(m.root, "proc/loadavg")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * interval)
		m.write("proc/stat", "cpu  1400 0 200 1900 0 0 0 0 0 0\ncpu0 1300 0 75 925 0 0 0 0 0 0\ncpu1 175 0 125 1100 0 0 0 0 0 0\n")
		time.Sleep(interval)
		synctest.Wait()
		for expr, want := range map[string]float64{
			`engram_host_cpu_utilization_percent{core="0"}`:                             75,
			`engram_host_cpu_utilization_percent{core="1"}`:                             0,
			`engramd_host_cpu_seconds_total{mode="user"}`:                               14,
			`engramd_host_cpu_cores`:                                                    2,
			`engramd_host_memory_total_bytes`:                                           8 << 30,
			`engramd_host_memory_available_bytes`:                                       4000000 * 1024,
			`engramd_host_pressure_seconds_total{resource="cpu", kind="some"}`:          1.5,
			`engramd_host_disk_read_bytes_total{device="sda"}`:                          80 * 512,
			`engramd_host_disk_busy_seconds_total{device="sda"}`:                        1.5,
			`count(engramd_host_disk_writes_total)`:                                     1,
			`engramd_host_data_dir_free_bytes <= bool engramd_host_data_dir_size_bytes`: 1,
		} {
			if r := tel.Read(t.Context(), expr, time.Now()); !r.Known || r.Value != want {
				t.Errorf("%s: got %+v, want %v", expr, r, want)
			}
		}
		if r := tel.Read(t.Context(), "engramd_host_load1", time.Now()); r.Known {
			t.Errorf("the load is gone: %+v", r)
		}
		if n := b.count("some measurements cannot be taken"); n != 1 {
			t.Errorf("said %d times", n)
		}
	})
}

// Of a target whose platform names no process, and which is known to be one of this host, the threads are read; its use by others of
// its control group is not taken for its own.
func TestThreadsOfAProcessThatThePlatformDoesNotName(t *testing.T) {
	unnamed := func(context.Context) (actuators.State, error) {
		return actuators.State{Parts: []actuators.Part{{ID: "1", Name: "self", Running: true}}}, nil
	}
	tel := start(t, telemetry.Options{Registry: prometheus.NewRegistry(), Config: telemetry.Config{Interval: 100 * time.Millisecond, Targets: []telemetry.Target{
		{Name: "here", Observe: unnamed, PID: os.Getpid()}, {Name: "elsewhere", Observe: unnamed},
	}}})
	eventually(t, func() error {
		u := tel.Used("here", time.Now().Add(-time.Minute), time.Now())
		if u.ThreadCores == nil || u.RunQueue == nil || u.BusiestThread == nil || u.BlockedThreads == nil {
			return fmt.Errorf("its threads are not known: %+v", u)
		}
		if u.Cores != nil || u.MemoryBytes != nil || u.CPUStall != nil || u.IOStall != nil {
			return fmt.Errorf("what nobody measured is known: %+v", u)
		}
		return nil
	})
	if u := tel.Used("elsewhere", time.Now().Add(-time.Minute), time.Now()); u.ThreadCores != nil || u.RunQueue != nil || u.BlockedThreads != nil {
		t.Errorf("threads of a target elsewhere: %+v", u)
	}
}
