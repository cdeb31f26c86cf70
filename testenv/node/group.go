package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
)

// A Group is a control group with a bound for memory, on version 1 or 2.
type Group struct {
	dir string
	v2  bool
}

// Confine makes a control group of so much memory, which goes with the test. It needs root.
func Confine(t testing.TB, memoryBytes int64) *Group {
	t.Helper()
	root, bound, v2 := "/sys/fs/cgroup/memory", "memory.limit_in_bytes", false
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		root, bound, v2 = "/sys/fs/cgroup", "memory.max", true
		if err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+memory"), 0o644); err != nil {
			t.Fatalf("testenv/node: let groups bound memory: %v", err)
		}
	}
	dir, err := os.MkdirTemp(root, "engramd-e2e-")
	if err != nil {
		t.Fatalf("testenv/node: make a control group: %v", err)
	}
	g := &Group{dir: dir, v2: v2}
	t.Cleanup(func() { g.remove(t) })
	if err := os.WriteFile(filepath.Join(dir, bound), []byte(strconv.FormatInt(memoryBytes, 10)), 0o644); err != nil {
		t.Fatalf("testenv/node: bound a control group: %v", err)
	}
	return g
}

// remove waits until the kernel has let go of the processes that ended.
func (g *Group) remove(t testing.TB) {
	var err error
	for range 100 {
		if err = os.Remove(g.dir); err == nil {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Errorf("testenv/node: %v", err)
}

// StartIn starts a node like [Start], inside the group from its first instruction on.
func StartIn(t testing.TB, g *Group, flags ...string) *Node {
	t.Helper()
	binary := os.Getenv("ENGRAMD_BIN")
	if binary == "" {
		binary = testenv.Build(t, "cmd/engramd")
	}
	enter := filepath.Join(t.TempDir(), "engramd")
	script := fmt.Sprintf("#!/bin/sh\necho $$ > %s/cgroup.procs && exec %s \"$@\"\n", g.dir, binary)
	if err := os.WriteFile(enter, []byte(script), 0o755); err != nil {
		t.Fatalf("testenv/node: %v", err)
	}
	t.Setenv("ENGRAMD_BIN", enter)
	return Start(t, flags...)
}

// OOMKills is how many processes the kernel killed in the group for want of memory.
func (g *Group) OOMKills(t testing.TB) int {
	t.Helper()
	file := "memory.oom_control"
	if g.v2 {
		file = "memory.events"
	}
	return g.number(t, file, "oom_kill")
}

// AnonBytes is the memory of the group that nobody can take back but by killing.
func (g *Group) AnonBytes(t testing.TB) int {
	t.Helper()
	if g.v2 {
		return g.number(t, "memory.stat", "anon")
	}
	return g.number(t, "memory.stat", "rss")
}

// number reads the line of a file that begins with a name.
func (g *Group) number(t testing.TB, file, name string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		t.Fatalf("testenv/node: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == name {
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatalf("testenv/node: %s: %v", file, err)
			}
			return n
		}
	}
	t.Fatalf("testenv/node: %s of %s tells no %s", file, g.dir, name)
	return 0
}
