package cgroup_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

const (
	v2Mount = " /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n"
	beside  = "/../cri-containerd-ab12.scope"
)

// lay writes files below a directory of its own.
func lay(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestFindBesideInAPod sees a process of the next container, which shares its process namespace with us
// and not that of control groups.
func TestFindBesideInAPod(t *testing.T) {
	root := lay(t, map[string]string{
		"proc/self/mountinfo":                "30 29 0:26 /" + v2Mount,
		"proc/77/cgroup":                     "0::" + beside + "\n",
		"proc/77/mountinfo":                  "40 39 0:26 " + beside + v2Mount,
		"proc/77/root/sys/fs/cgroup/cpu.max": "150000 100000\n",
		"sys/fs/cgroup/cpu.max":              "max 100000\n",
	})
	g, err := cgroup.Find(root, 77)
	if err != nil {
		t.Fatal(err)
	}
	s, err := g.Read()
	if err != nil || g.Path != beside || s.CPU.Limit != policy.Amount(1500) {
		t.Errorf("%s has %s, %v", g.Path, s.CPU.Limit, err)
	}
}

// TestFindIsNotMisledByWaysUp wants no group where the one that is asked for cannot be seen.
func TestFindIsNotMisledByWaysUp(t *testing.T) {
	for name, mount := range map[string]string{"our own": "/", "the host's": "/../../.."} {
		root := lay(t, map[string]string{
			"proc/self/mountinfo": "30 29 0:26 " + mount + v2Mount,
			"proc/77/cgroup":      "0::" + beside + "\n",
			"proc/77/mountinfo":   "40 39 0:26 " + mount + v2Mount,
			"proc/self/cgroup":    "0::/\n",
			"sys/fs/cgroup/cri-containerd-ab12.scope/cpu.max": "max 100000\n",
			"proc/77/root/sys/fs/cgroup/cpu.max":              "max 100000\n",
		})
		if g, err := cgroup.Find(root, 77); err == nil {
			t.Errorf("%s mount: found %s", name, g.Path)
		}
	}
}
