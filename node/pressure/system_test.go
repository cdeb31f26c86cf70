package pressure_test

import (
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/engramd/engramd/node/pressure"
	"github.com/google/go-cmp/cmp"
)

const mib = 1 << 20

// machine makes a root with these files and what every machine has.
func machine(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	all := map[string]string{
		"proc/self/status": "Name:\tengramd\nVmPTE:\t    1024 kB\nRssAnon:\t  102400 kB\nRssFile:\t 999999 kB\nRssShmem:\t    2048 kB\n",
		"proc/meminfo":     "MemTotal:       1048576 kB\nMemFree: 1 kB\nHugePages_Total:       0\n",
	}
	maps.Copy(all, files)
	for name, text := range all {
		if text == "" {
			continue
		}
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
	mountV2   = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
	mountV1   = "34 31 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n36 31 0:40 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	statV2    = "anon 209715200\nfile 900000000\nkernel 20971520\nshmem 1048576\nslab_reclaimable 10485760\nslab_unreclaimable 5\n"
	statV2Old = "anon 209715200\nfile 900000000\nkernel_stack 1\npagetables 2\npercpu 4\nshmem 0\nslab_reclaimable 99\nslab_unreclaimable 8\n"
	statV1    = "cache 5\nrss 7\nhierarchical_memory_limit 536870912\ntotal_cache 900000000\ntotal_rss 209715200\ntotal_shmem 1048576\n"
)

func TestRead(t *testing.T) {
	v2 := "sys/fs/cgroup/"
	for _, c := range []struct {
		name    string
		files   map[string]string
		goLimit int64
		want    []pressure.Bound
		err     string
	}{
		{name: "no control groups: the host bounds", want: []pressure.Bound{{Name: "host", UsedBytes: 103 * mib, LimitBytes: 1 << 30}}},
		{name: "GOMEMLIMIT alone", goLimit: 400 * mib, want: []pressure.Bound{{Name: "GOMEMLIMIT", UsedBytes: 103 * mib, LimitBytes: 400 * mib}}},
		{
			name: "v2, in a namespace of its own, never the file cache nor reclaimable slab",
			files: map[string]string{
				"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2,
				v2 + "memory.max": "536870912\n", v2 + "memory.stat": statV2,
			},
			goLimit: 400 * mib,
			want: []pressure.Bound{
				{Name: "/sys/fs/cgroup", UsedBytes: 211 * mib, LimitBytes: 512 * mib},
				{Name: "GOMEMLIMIT", UsedBytes: 112 * mib, LimitBytes: 400 * mib},
			},
		},
		{
			name: "v2 before Linux 5.18",
			files: map[string]string{
				"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2,
				v2 + "memory.max": "536870912\n", v2 + "memory.stat": statV2Old,
			},
			want: []pressure.Bound{{Name: "/sys/fs/cgroup", UsedBytes: 200*mib + 15, LimitBytes: 512 * mib}},
		},
		{
			name: "v2, the parent's limit counts what the parent uses",
			files: map[string]string{
				"proc/self/cgroup": "0::/a.slice/b.service\n", "proc/self/mountinfo": mountV2,
				v2 + "a.slice/b.service/memory.max": "max\n", v2 + "a.slice/b.service/memory.stat": statV2,
				v2 + "a.slice/memory.max": "1073741824\n", v2 + "a.slice/memory.stat": strings.Replace(statV2, "anon 209715200", "anon 419430400", 1),
			},
			want: []pressure.Bound{{Name: "/sys/fs/cgroup/a.slice", UsedBytes: 411 * mib, LimitBytes: 1 << 30}},
		},
		{
			name: "v2, a directory of the hierarchy is mounted, with a space in its name",
			files: map[string]string{
				"proc/self/cgroup":             "0::/my pod/c/d\n",
				"proc/self/mountinfo":          "30 23 0:26 /my\\040pod/c /sys/fs/my\\040group rw - cgroup2 cgroup2 rw\n",
				"sys/fs/my group/d/memory.max": "536870912\n", "sys/fs/my group/d/memory.stat": statV2,
			},
			want: []pressure.Bound{{Name: "/sys/fs/my group/d", UsedBytes: 211 * mib, LimitBytes: 512 * mib}},
		},
		{
			name: "v2, the group is not visible",
			files: map[string]string{
				"proc/self/cgroup": "0::/../other\n", "proc/self/mountinfo": mountV2,
				v2 + "memory.max": "536870912\n", v2 + "memory.stat": statV2,
			},
			err: "/../other is not visible",
		},
		{
			name: "v2, the group is gone: GOMEMLIMIT is still told",
			files: map[string]string{
				"proc/self/cgroup": "0::/gone\n", "proc/self/mountinfo": mountV2, v2 + "memory.stat": statV2,
			},
			goLimit: 400 * mib,
			want:    []pressure.Bound{{Name: "GOMEMLIMIT", UsedBytes: 103 * mib, LimitBytes: 400 * mib}},
			err:     "/gone is not visible",
		},
		{
			name: "v2, a limit and no stat",
			files: map[string]string{
				"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2, v2 + "memory.max": "536870912\n",
			},
			err: "memory.stat: no such file",
		},
		{
			name: "v2, a limit that is no number",
			files: map[string]string{
				"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2,
				v2 + "memory.max": "plenty\n", v2 + "memory.stat": statV2,
			},
			err: `"plenty\n" is not a number of bytes`,
		},
		{
			name: "v1, only the kernel knows of a parent's limit",
			files: map[string]string{
				"proc/self/cgroup":                           "4:memory:/docker/x\n1:cpu:/docker/x\n0::/docker/x\n",
				"proc/self/mountinfo":                        "34 31 0:31 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
				"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/memory.stat": statV1,
				"sys/fs/cgroup/memory/memory.kmem.usage_in_bytes": "1048576\n",
			},
			want: []pressure.Bound{{Name: "/sys/fs/cgroup/memory", UsedBytes: 202 * mib, LimitBytes: 512 * mib}},
		},
		{
			name: "v1, its own limit and its parent's; no accounting of the kernel",
			files: map[string]string{
				"proc/self/cgroup": "4:memory:/p/x\n0::/\n", "proc/self/mountinfo": mountV1,
				"sys/fs/cgroup/memory/p/x/memory.limit_in_bytes": "268435456\n", "sys/fs/cgroup/memory/p/x/memory.stat": statV1,
				"sys/fs/cgroup/memory/p/memory.limit_in_bytes": "536870912\n", "sys/fs/cgroup/memory/p/memory.stat": strings.Replace(statV1, "209715200", "419430400", 1),
				"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
			},
			want: []pressure.Bound{
				{Name: "/sys/fs/cgroup/memory/p/x", UsedBytes: 201 * mib, LimitBytes: 256 * mib},
				{Name: "/sys/fs/cgroup/memory/p", UsedBytes: 401 * mib, LimitBytes: 512 * mib},
			},
		},
		{
			name: "v1 is not mounted, v2 is",
			files: map[string]string{
				"proc/self/cgroup": "4:memory:/x\n0::/x\n", "proc/self/mountinfo": mountV2,
				v2 + "x/memory.max": "536870912\n", v2 + "x/memory.stat": statV2,
			},
			want: []pressure.Bound{{Name: "/sys/fs/cgroup/x", UsedBytes: 211 * mib, LimitBytes: 512 * mib}},
		},
		{
			name:  "the process cannot be read",
			files: map[string]string{"proc/self/status": ""},
			err:   "status: no such file",
		},
		{
			name:  "the status lacks RssAnon",
			files: map[string]string{"proc/self/status": "Name: x\n"},
			err:   "has no RssAnon",
		},
		{
			name:  "the host tells nothing",
			files: map[string]string{"proc/meminfo": "MemFree: 1 kB\n"},
			err:   "has no MemTotal",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := machine(t, c.files)
			limit := c.goLimit
			if limit == 0 {
				limit = math.MaxInt64
			}
			got, err := pressure.System{Root: root, GoLimit: func() int64 { return limit }}.Read()
			for i := range got.Bounds {
				got.Bounds[i].Name = strings.TrimPrefix(got.Bounds[i].Name, root)
			}
			if diff := cmp.Diff(c.want, got.Bounds); diff != "" {
				t.Errorf("bounds (-want +got):\n%s", diff)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

func TestTightest(t *testing.T) {
	if b, ok := (pressure.Reading{}).Tightest(); ok {
		t.Errorf("nothing has a tightest bound %v", b)
	}
	r := pressure.Reading{Bounds: []pressure.Bound{{"a", 10, 100}, {"b", 30, 200}, {"c", 1, 50}}}
	if b, ok := r.Tightest(); !ok || b.Name != "b" {
		t.Errorf("tightest is %v", b)
	}
	if got := r.LimitBytes(); got != 50 {
		t.Errorf("limit %d", got)
	}
}

// TestThisMachine reads the files of the machine that runs the tests.
func TestThisMachine(t *testing.T) {
	r, err := pressure.System{}.Read()
	if err != nil {
		t.Fatal(err)
	}
	b, ok := r.Tightest()
	if !ok || b.UsedBytes <= 0 || b.LimitBytes <= 0 {
		t.Errorf("tightest bound %+v of %+v", b, r)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("0::/\n", mountV2, "536870912\n", statV2, "RssAnon: 5 kB\n")
	f.Add("4:memory:/\n", mountV1, "max\n", statV1, "RssAnon: 99999999999999999999 kB\n")
	f.Add("0::/a\\040b\n", "1 2 3 /a\\04 /sys/\\ - cgroup2 x\n", "-1", "anon\n", "")
	f.Fuzz(func(t *testing.T, cgroup, mountinfo, limit, stat, status string) {
		root := machine(t, map[string]string{
			"proc/self/cgroup": cgroup, "proc/self/mountinfo": mountinfo, "proc/self/status": status,
			"sys/fs/cgroup/memory.max": limit, "sys/fs/cgroup/memory.stat": stat,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": limit, "sys/fs/cgroup/memory/memory.stat": stat,
		})
		r, err := pressure.System{Root: root, GoLimit: func() int64 { return math.MaxInt64 }}.Read()
		if err == nil && len(r.Bounds) == 0 {
			t.Error("neither a bound nor an error")
		}
		for _, b := range r.Bounds {
			if b.LimitBytes <= 0 || b.UsedBytes < 0 {
				t.Errorf("bound %+v", b)
			}
		}
	})
}
