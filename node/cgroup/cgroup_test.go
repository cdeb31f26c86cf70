package cgroup_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/engramd/engramd/node/cgroup"
)

// machine makes a root with these files.
func machine(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
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

const (
	mountV2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
	mountV1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n34 31 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	v1      = "sys/fs/cgroup/cpu/"
	v2      = "sys/fs/cgroup/"
)

func TestCPULimit(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  float64
		err   string
	}{
		{name: "no control groups"},
		{name: "none mounted", files: map[string]string{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": "\n"}},
		{name: "v2, no quota", files: map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": mountV2, v2 + "a/cpu.max": "max 100000\n",
		}},
		{name: "v2, half a core", want: 0.5, files: map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": mountV2, v2 + "a/cpu.max": "50000 100000\n",
		}},
		{name: "v2, the parent allows less", want: 1.5, files: map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": mountV2,
			v2 + "a/cpu.max": "150000 100000\n", v2 + "a/b/cpu.max": "400000 100000\n",
		}},
		{name: "v1, beside memory's own hierarchy", want: 2, files: map[string]string{
			"proc/self/cgroup": "4:memory:/m\n1:cpu,cpuacct:/c\n0::/\n", "proc/self/mountinfo": mountV1,
			v1 + "c/cpu.cfs_quota_us": "200000\n", v1 + "c/cpu.cfs_period_us": "100000\n", v1 + "cpu.cfs_quota_us": "-1\n",
		}},
		{name: "v1, no quota", files: map[string]string{
			"proc/self/cgroup": "1:cpu:/\n", "proc/self/mountinfo": mountV1, v1 + "cpu.cfs_quota_us": "-1\n",
		}},
		{name: "a quota that is none", err: `"some"`, files: map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2, v2 + "cpu.max": "some 100000\n",
		}},
		{name: "a quota alone", err: "want a quota and a period", files: map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2, v2 + "cpu.max": "100000\n",
		}},
		{name: "a period of nothing", err: "are not a limit", files: map[string]string{
			"proc/self/cgroup": "1:cpu:/\n", "proc/self/mountinfo": mountV1, v1 + "cpu.cfs_quota_us": "5\n", v1 + "cpu.cfs_period_us": "0\n",
		}},
		{name: "not visible", err: "is not visible", files: map[string]string{
			"proc/self/cgroup": "0::/gone\n", "proc/self/mountinfo": mountV2, v2 + "cpu.max": "1 1\n",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := cgroup.CPULimit(machine(t, c.files))
			if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v, %v; want %v, %q", got, err, c.want, c.err)
			}
		})
	}
}

func FuzzCPULimit(f *testing.F) {
	f.Add("0::/\n", mountV2, "50000 100000", "")
	f.Add("1:cpu:/\n", mountV1, "-1", "100000")
	f.Fuzz(func(t *testing.T, group, mounts, quota, period string) {
		root := machine(t, map[string]string{
			"proc/self/cgroup": group, "proc/self/mountinfo": mounts,
			v2 + "cpu.max": quota, v1 + "cpu.cfs_quota_us": quota, v1 + "cpu.cfs_period_us": period,
		})
		if cores, err := cgroup.CPULimit(root); cores < 0 || err != nil && cores != 0 {
			t.Errorf("%v, %v", cores, err)
		}
	})
}
