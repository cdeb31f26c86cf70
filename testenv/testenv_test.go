package testenv_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestWorkloadAsProcess runs workload, load generator and steering together, without any container.
func TestWorkloadAsProcess(t *testing.T) {
	t.Setenv("ENGRAMD_ARTIFACTS", t.TempDir())
	data := t.TempDir()
	w := testenv.StartWorkload(t, map[string]string{"WORKLOAD_DATA": data})
	l := testenv.StartLoad(t, load.Config{URL: w.URL + "/write?cpu=1ms", Method: "POST", Rate: 50})
	testenv.Eventually(t, 5*time.Second, "some writes are done", func() bool { return l.Report().Sent() > 20 })

	off := time.Now()
	w.SetMaintenance(t, true, "")
	if m := w.Maintenance(t); !m.Enabled || m.Owner != "" {
		t.Errorf("maintenance: %+v", m)
	}
	testenv.Eventually(t, 5*time.Second, "writes are refused", func() bool { return l.Report().Count(load.Unavailable) > 5 })
	w.SetMaintenance(t, false, "")
	on := time.Now()
	testenv.Eventually(t, 5*time.Second, "writes are done again", func() bool {
		return l.Report().Between(on, time.Now()).Count(load.OK) > 5
	})
	report := l.Stop()
	if lost := report.Outside(off, on).Lost(); lost.Sent() > 0 {
		t.Errorf("lost outside maintenance: %v", lost)
	}
	w.Do(t, "/memory?bytes=4Mi")
	if held, ok := w.Metric(t, "engram_memory_usage_bytes", "tier", "hot"); held != 4<<20 || !ok {
		t.Errorf("held: %v, %v", held, ok)
	}
	if _, ok := w.Metric(t, "engram_memory_usage_bytes", "tier", "cold"); ok {
		t.Error("a tier that was never used has a value")
	}
	left, err := filepath.Glob(filepath.Join(testenv.Artifacts(t), "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("artifacts: %v, %v", left, err)
	}
}

func TestBuildIsCached(t *testing.T) {
	first := testenv.Build(t, "testenv/workload")
	before, err := os.Stat(first)
	if err != nil {
		t.Fatal(err)
	}
	second := testenv.Build(t, "testenv/workload")
	after, err := os.Stat(second)
	if err != nil || first != second || !before.ModTime().Equal(after.ModTime()) {
		t.Errorf("built twice: %s, %s, %v", first, second, err)
	}
	ready := t.TempDir()
	if err := os.WriteFile(filepath.Join(ready, "workload"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ENGRAMD_BINARIES", ready)
	if got := testenv.Build(t, "testenv/workload"); filepath.Dir(got) != ready {
		t.Errorf("a ready-made binary is not taken: %s", got)
	}
}

func TestPortsDiffer(t *testing.T) {
	seen := map[int]bool{}
	for range 50 {
		port := testenv.Port(t)
		if seen[port] {
			t.Fatalf("port %d was given twice", port)
		}
		seen[port] = true
	}
}

func TestCgroupOfSelf(t *testing.T) {
	pid := "self"
	if target, err := os.Readlink("/proc/self"); err == nil {
		pid = target
	}
	if got := testenv.CgroupFile(t, pid, "pids", "cgroup.procs"); !strings.Contains("\n"+got+"\n", "\n"+pid+"\n") {
		t.Errorf("process %s is not in its own cgroup", pid)
	}
}

// TestNeedSkips runs Need the way a machine without any real system would.
func TestNeedSkips(t *testing.T) {
	t.Setenv("ENGRAMD_E2E", "systemd")
	var inner *testing.T
	t.Run("docker", func(t *testing.T) {
		inner = t
		testenv.Need(t, "docker")
		t.Error("Need went on")
	})
	if !inner.Skipped() {
		t.Error("Need did not skip")
	}
}
