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

// A Group is a control group with a bound for memory or for cores, on version 1 or 2.
type Group struct {
	dir string
	v2  bool
}

// Confine makes a control group of so much memory, which goes with the test. It needs root.
func Confine(t testing.TB, memoryBytes int64) *Group {
	t.Helper()
	g := makeGroup(t, "memory")
	file := "memory.limit_in_bytes"
	if g.v2 {
		file = "memory.max"
	}
	g.write(t, file, strconv.FormatInt(memoryBytes, 10))
	return g
}

// ConfineCores makes a control group with a list of cores, as 0-1, which goes with the test. It needs root.
func ConfineCores(t testing.TB, list string) *Group {
	t.Helper()
	g := makeGroup(t, "cpuset")
	g.write(t, "cpuset.cpus", list)
	if !g.v2 { // nobody may enter a group without memory nodes
		mems, err := os.ReadFile(filepath.Join(filepath.Dir(g.dir), "cpuset.mems"))
		if err != nil {
			t.Fatalf("testenv/node: %v", err)
		}
		g.write(t, "cpuset.mems", strings.TrimSpace(string(mems)))
	}
	return g
}

// makeGroup makes a group of a controller, without a bound.
func makeGroup(t testing.TB, controller string) *Group {
	t.Helper()
	root, v2 := filepath.Join("/sys/fs/cgroup", controller), false
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		root, v2 = "/sys/fs/cgroup", true
		if err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+"+controller), 0o644); err != nil {
			t.Fatalf("testenv/node: let groups bound %s: %v", controller, err)
		}
	}
	dir, err := os.MkdirTemp(root, "engramd-e2e-")
	if err != nil {
		t.Fatalf("testenv/node: make a control group: %v", err)
	}
	g := &Group{dir: dir, v2: v2}
	t.Cleanup(func() { g.remove(t) })
	return g
}

func (g *Group) write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, file), []byte(text), 0o644); err != nil {
		t.Fatalf("testenv/node: bound a control group: %v", err)
	}
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

// Enter makes a program that is another one inside the group from its first instruction on.
func (g *Group) Enter(t testing.TB, binary string) string {
	t.Helper()
	enter := filepath.Join(t.TempDir(), filepath.Base(binary))
	script := fmt.Sprintf("#!/bin/sh\necho $$ > %s/cgroup.procs && exec %s \"$@\"\n", g.dir, binary)
	if err := os.WriteFile(enter, []byte(script), 0o755); err != nil {
		t.Fatalf("testenv/node: %v", err)
	}
	return enter
}

// StartIn starts a node like [Start], inside the group from its first instruction on.
func StartIn(t testing.TB, g *Group, flags ...string) *Node {
	t.Helper()
	binary := os.Getenv("ENGRAMD_BIN")
	if binary == "" {
		binary = testenv.Build(t, "cmd/engramd")
	}
	t.Setenv("ENGRAMD_BIN", g.Enter(t, binary))
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
