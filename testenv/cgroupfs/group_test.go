package cgroupfs

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLocate(t *testing.T) {
	v1 := parseMounts(`24 22 0:21 / /sys/fs/cgroup ro - tmpfs tmpfs ro
29 27 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:3 - cgroup cgroup rw,cpu,cpuacct
30 27 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
31 27 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`)
	inside := parseMounts(`80 79 0:29 /eg/abc /sys/fs/cgroup/cpu ro,nosuid - cgroup cgroup rw,cpu
`)
	v2 := parseMounts("30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n")
	tests := []struct {
		name, memberships string
		mounts            []Mount
		want              map[string]string
	}{
		{"version 1, hybrid", "4:memory:/x\n1:cpu,cpuacct:/eg/abc\n0::/u\n", v1, map[string]string{
			"cpu": "/sys/fs/cgroup/cpu,cpuacct/eg/abc", "cpuacct": "/sys/fs/cgroup/cpu,cpuacct/eg/abc",
			"memory": "/sys/fs/cgroup/memory/x", "": "/sys/fs/cgroup/unified/u",
		}},
		{"inside a container", "1:cpu:/eg/abc\n", inside, map[string]string{"cpu": "/sys/fs/cgroup/cpu"}},
		{"a group outside the mount", "1:cpu:/other\n", inside, map[string]string{"cpu": "/sys/fs/cgroup/cpu"}},
		{"version 2", "0::/system.slice/x.service\n", v2, map[string]string{"": "/sys/fs/cgroup/system.slice/x.service"}},
		{"garbage", "x\n\n1:cpu\n", v1, map[string]string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, locate(tt.memberships, tt.mounts).dirs); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestValues reads both versions' files from directories that hold what the kernel would write.
func TestValues(t *testing.T) {
	v1 := Group{dirs: map[string]string{}}
	for controller, files := range map[string]map[string]string{
		"cpu":     {"cpu.cfs_quota_us": "150000\n", "cpu.cfs_period_us": "100000\n", "cpu.stat": "nr_periods 7\nnr_throttled 3\nthrottled_time 2000\n"},
		"cpuacct": {"cpuacct.usage": "5000\n"},
		"memory": {"memory.limit_in_bytes": "9223372036854771712\n", "memory.usage_in_bytes": "4096\n",
			"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"},
	} {
		v1.dirs[controller] = directory(t, files)
	}
	v2 := Group{dirs: map[string]string{"": directory(t, map[string]string{
		"cgroup.controllers": "cpuset cpu memory\n",
		"cpu.max":            "150000 100000\n",
		"cpu.stat":           "usage_usec 5\nnr_periods 7\nnr_throttled 3\nthrottled_usec 2\n",
		"memory.max":         "max\n",
		"memory.current":     "4096\n",
		"memory.events":      "low 0\noom 2\noom_kill 2\n",
	})}}
	for name, g := range map[string]Group{"v1": v1, "v2": v2} {
		t.Run(name, func(t *testing.T) {
			cores, limited, err := g.CPULimit()
			if cores != 1.5 || !limited || err != nil {
				t.Errorf("CPULimit() = %v, %v, %v", cores, limited, err)
			}
			if stat, err := g.CPUStat(); stat != (CPUStat{7, 3, 2 * time.Microsecond}) || err != nil {
				t.Errorf("CPUStat() = %+v, %v", stat, err)
			}
			if used, err := g.CPUUsage(); used != 5*time.Microsecond || err != nil {
				t.Errorf("CPUUsage() = %v, %v", used, err)
			}
			if _, limited, err := g.MemoryLimit(); limited || err != nil {
				t.Errorf("MemoryLimit() limited = %v, %v", limited, err)
			}
			if used, err := g.MemoryUsage(); used != 4096 || err != nil {
				t.Errorf("MemoryUsage() = %v, %v", used, err)
			}
			if kills, err := g.OOMKills(); kills != 2 || err != nil {
				t.Errorf("OOMKills() = %v, %v", kills, err)
			}
		})
	}
}

func TestOfProcessSelf(t *testing.T) {
	g, err := OfProcess("self")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Read("nosuch", "x"); err == nil {
		t.Error("a controller that does not exist was read")
	}
	if _, err := OfContainer("feedfacefeed"); err == nil {
		t.Error("a container that does not exist was found")
	}
}

func directory(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
