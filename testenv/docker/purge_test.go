package docker

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
)

// victim, in the environment, makes TestVictim leave an engine behind.
const victim = "ENGRAMD_TEST_VICTIM"

// TestVictim is not a test of its own: TestE2ESweep runs it in a process that it kills.
func TestVictim(t *testing.T) {
	if os.Getenv(victim) == "" {
		t.Skip("runs only as the process that TestE2ESweep kills")
	}
	d := Start(t, LiveRestore(), DefaultBridge())
	d.BuildImage(t, "workload:good", Good())
	d.Run(t, Spec{Name: "engram", Image: "workload:good", Network: "bridge"})
	d.Network(t, "own", 1)
	d.Run(t, Spec{Name: "other", Image: "workload:good", Network: "own"})
	fmt.Printf("\nroot=%s\n", d.env.Root)
	<-time.After(time.Minute)
}

// TestE2ESweep kills a test process that has an engine, and cleans up after it.
func TestE2ESweep(t *testing.T) {
	testenv.Need(t, "docker")
	child := exec.Command(os.Args[0], "-test.run=^TestVictim$")
	child.Env = append(os.Environ(), victim+"=1")
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	e := environment{Root: rootOf(t, out)}
	e.CgroupParent = cgroupParent(filepath.Base(e.Root))
	_ = child.Process.Kill()
	_ = child.Wait()
	left := e.things()
	if len(e.processes()) < 4 || len(e.mounts()) == 0 || len(e.cgroups()) == 0 || len(left.bridges) != 2 ||
		len(left.veths) != 2 || len(left.sockets) != 2 {
		t.Errorf("the marks are incomplete: %v %+v", e.leftovers(left), left)
	}
	if err := Sweep(); err != nil {
		t.Error(err)
	}
	// Another process may have swept first; in the end nothing is there.
	testenv.Eventually(t, purgeFor, "nothing is left", func() bool { return len(e.leftovers(left)) == 0 })
}

func rootOf(t *testing.T, out interface{ Read([]byte) (int, error) }) string {
	t.Helper()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if root, ok := strings.CutPrefix(lines.Text(), "root="); ok {
			return root
		}
	}
	t.Fatal("the victim did not start an engine")
	return ""
}

// TestE2ELeftoversAreSeen makes one thing of each kind and sees each reported, then removed.
func TestE2ELeftoversAreSeen(t *testing.T) {
	testenv.Need(t, "docker")
	e, err := newEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.purge() })
	if !e.owned() {
		t.Error("this process does not own its environment")
	}
	if err := createBridge(e.bridge(), claimSubnet(t)); err != nil {
		t.Fatal(err)
	}
	cgroups, err := filepath.Glob("/sys/fs/cgroup/*/cgroup.procs")
	if err != nil || len(cgroups) == 0 {
		cgroups = []string{"/sys/fs/cgroup/cgroup.procs"}
	}
	cgroup := filepath.Join(filepath.Dir(cgroups[0]), e.CgroupParent)
	if err := os.MkdirAll(filepath.Join(cgroup, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	sleeper := exec.Command("sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sleeper.Wait() }() // killed below
	if err := os.WriteFile(filepath.Join(cgroup, "below", "cgroup.procs"), fmt.Appendln(nil, sleeper.Process.Pid), 0); err != nil {
		t.Fatal(err)
	}
	things := e.things()
	left := e.leftovers(things)
	for _, want := range []string{"process ", "interface " + e.bridge(), "cgroup " + cgroup, "file " + e.Root} {
		if !slices.ContainsFunc(left, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("%q is not among %q", want, left)
		}
	}
	if left := e.purge(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

func TestOwned(t *testing.T) {
	start, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		e    environment
		want bool
	}{
		{"alive", environment{OwnerPID: os.Getpid(), OwnerStart: start}, true},
		{"the pid is another process by now", environment{OwnerPID: os.Getpid(), OwnerStart: "1"}, false},
		{"gone", environment{OwnerPID: 1 << 30, OwnerStart: start}, false},
	} {
		if got := tt.e.owned(); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
