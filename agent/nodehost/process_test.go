package nodehost

import (
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"github.com/engramd/engramd/node/pressure"
)

// A limit of the control group becomes GOMEMLIMIT, and what the environment says stays.
func TestLimitGo(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	log := slog.New(slog.DiscardHandler)
	limited := pressure.System{Root: group(t, "1000000000")}

	debug.SetMemoryLimit(math.MaxInt64)
	limitGo("", limited, log)
	if got := debug.SetMemoryLimit(-1); got != 800_000_000 {
		t.Errorf("under a limit of 1 GB: %d", got)
	}
	debug.SetMemoryLimit(12345 << 20)
	limitGo("12345MiB", limited, log)
	if got := debug.SetMemoryLimit(-1); got != 12345<<20 {
		t.Errorf("with GOMEMLIMIT in the environment: %d", got)
	}
	debug.SetMemoryLimit(math.MaxInt64)
	limitGo("", pressure.System{Root: group(t, "max")}, log)
	if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
		t.Errorf("without a limit: %d", got)
	}
}

// group is a root with a control group of version 2 that this process is in.
func group(t *testing.T, limit string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"proc/self/cgroup":                "0::/me\n",
		"proc/self/mountinfo":             "30 20 0:26 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw\n",
		"proc/self/status":                "RssAnon:\t1000 kB\nRssShmem:\t0 kB\nVmPTE:\t10 kB\n",
		"proc/meminfo":                    "MemTotal:       32000000 kB\n",
		"sys/fs/cgroup/me/memory.max":     limit + "\n",
		"sys/fs/cgroup/me/memory.current": "2000000\n",
		"sys/fs/cgroup/me/memory.stat":    "anon 1000000\nkernel 10000\nshmem 0\nfile 5\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
