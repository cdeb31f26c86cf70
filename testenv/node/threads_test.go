package node_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/node/threads"
	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/loop"
	"github.com/engramd/engramd/testenv/node"
)

// server starts a memory node with a section threading, and returns where it answers and its process.
type server func(t *testing.T, threading string) (n *node.Node, pid int)

// alone is engramd node serve.
func alone(t *testing.T, threading string) (*node.Node, int) {
	t.Helper()
	n := node.Start(t, "--config", write(t, "threading:\n"+threading))
	return n, n.PID()
}

// embedded is engramd run, with a node inside.
func embedded(t *testing.T, threading string) (*node.Node, int) {
	t.Helper()
	a, n := agent(t, threading)
	a.Start(t)
	return n, a.PID()
}

// agent prepares an engramd with a node inside, and nothing to look after.
func agent(t *testing.T, threading string) (*loop.Agent, *node.Node) {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", testenv.Port(t))
	a := loop.New(t, "", nil)
	a.Write(t, fmt.Sprintf("version: 1\ndata_dir: %s\nlisten: {agent: %q, node: %q}\nnode:\n  enabled: true\n  threading:\n%s",
		a.Dir, a.Addr, addr, strings.ReplaceAll("  "+threading, "\n", "\n  ")))
	return a, &node.Node{URL: "http://" + addr}
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "engram.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// twoCores are the first and the last core of this machine that a test may use.
func twoCores(t *testing.T) (first, last int) {
	t.Helper()
	cores, err := threads.Allowed()
	if err != nil {
		t.Fatal(err)
	}
	if len(cores) < 2 {
		t.Skip("this machine gives one core to tests: nothing can be kept apart")
	}
	return cores[0], cores[len(cores)-1]
}

// TestE2EThreadsKeepToTheirCores looks at every thread of the process while spreads run and memories are consolidated.
func TestE2EThreadsKeepToTheirCores(t *testing.T) {
	testenv.Need(t, "node")
	first, last := twoCores(t)
	both := threads.CPUs{first, last}.String()
	for name, start := range map[string]server{"node serve": alone, "embedded": embedded} {
		t.Run(name, func(t *testing.T) {
			for name, test := range map[string]struct {
				threading string
				spreading string         // where spreads run
				want      map[string]int // threads by where they may run; -1 is at least one
			}{
				"pinned": {
					fmt.Sprintf("  spreading_cores: [%d]\n  consolidation_cores: [%d]\n  api_cores: [%d, %d]\n  pin_threads: true\n", first, last, first, last),
					fmt.Sprint(first), map[string]int{fmt.Sprint(first): 1, fmt.Sprint(last): 1, both: -1},
				},
				"two workers on a core": {
					fmt.Sprintf("  spreading_cores: [%d, %d]\n  consolidation_cores: [%d]\n  pin_threads: true\n", first, last, last),
					"", map[string]int{fmt.Sprint(first): 1, fmt.Sprint(last): 2, all(t): -1},
				},
				"isolated": {
					fmt.Sprintf("  spreading_cores: [%d]\n  api_cores: [%d]\n  pin_threads: true\n  cpu_isolation: true\n", last, first),
					fmt.Sprint(last), map[string]int{fmt.Sprint(last): 1, fmt.Sprint(first): -1},
				},
				"counted only": {
					fmt.Sprintf("  spreading_cores: [%d]\n", first), "", map[string]int{all(t): -1},
				},
			} {
				t.Run(name, func(t *testing.T) {
					n, pid := start(t, test.threading)
					stop := keepBusy(t, n)
					defer stop()
					testenv.Eventually(t, 20*time.Second, "all threads are where they belong", func() bool {
						return cmp.Equal(test.want, places(t, pid, test.want))
					})
					if diff := cmp.Diff(test.want, places(t, pid, test.want)); diff != "" {
						t.Errorf("threads by the cores that they may use (-want +got):\n%s", diff)
					}
					if test.spreading != "" {
						worksOn(t, pid, test.spreading)
					}
				})
			}
		})
	}
}

// all are the cores that this process may use.
func all(t *testing.T) string {
	t.Helper()
	cores, err := threads.Allowed()
	if err != nil {
		t.Fatal(err)
	}
	return cores.String()
}

// places counts the threads of a process by where they may run. Where want says -1 it is enough that there is one.
func places(t *testing.T, pid int, want map[string]int) map[string]int {
	t.Helper()
	got := map[string]int{}
	for _, one := range node.Tasks(t, pid) {
		if want[one.Allowed] == -1 {
			got[one.Allowed] = -1
		} else {
			got[one.Allowed]++
		}
	}
	return got
}

// worksOn waits until the only thread of a core has done spreads there.
func worksOn(t *testing.T, pid int, core string) {
	t.Helper()
	var worker node.Task
	busy := func() time.Duration {
		tasks := node.Tasks(t, pid)
		worker = tasks[slices.IndexFunc(tasks, func(one node.Task) bool { return one.Allowed == core })]
		return worker.CPU
	}
	before := busy()
	testenv.Eventually(t, 20*time.Second, "the worker has done something", func() bool { return busy() > before+50*time.Millisecond })
	if fmt.Sprint(worker.Last) != core {
		t.Errorf("the worker of core %s ran on %d", core, worker.Last)
	}
}

// keepBusy lets a node spread and consolidate until it is stopped.
func keepBusy(t *testing.T, n *node.Node) (stop func()) {
	t.Helper()
	const memories = 5000
	var lines strings.Builder
	for i := range memories {
		fmt.Fprintf(&lines, `{"id":"m%d","content":"memory %d"}`+"\n", i, i)
	}
	for i := range memories {
		for k := 1; k <= 8; k++ {
			fmt.Fprintf(&lines, `{"from":"m%d","to":"m%d","weight":0.9}`+"\n", i, (i+k*k*31)%memories)
		}
	}
	if got := n.Import(t, strings.NewReader(lines.String())); !got.Done || got.Failed > 0 {
		t.Fatalf("imported %+v (%+v)", got, got.Problem)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				n.Post(t, "/api/v1/spread", map[string]any{"seeds": []string{fmt.Sprint("m", i)}, "hops": 10, "threshold": 0, "decay": 1, "limit": 1}, nil)
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			n.Post(t, "/api/v1/admin/consolidation", nil, nil)
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// TestE2ECoresThatAreNotThere names a core that this machine has not: check, which connects to nothing, leaves it to the start, which
// says what is wrong.
func TestE2ECoresThatAreNotThere(t *testing.T) {
	testenv.Need(t, "node")
	const threading = "  spreading_cores: [0, 4095]\n  pin_threads: true\n"
	want := "spreading_cores: this process may not use [4095], only " + all(t)
	t.Run("node serve", func(t *testing.T) {
		n := &node.Node{URL: "http://localhost:7432", Home: t.TempDir(), Binary: binary(t)}
		got := n.Shell(t, fmt.Sprintf("timeout 20 engramd node serve --data-dir d --listen 127.0.0.1:%d --config %s", testenv.Port(t), write(t, "threading:\n"+threading)))
		if got.Code != 1 || !strings.Contains(got.Stderr, want) {
			t.Errorf("exit code %d, want 1 and %q:\n%s", got.Code, want, got.Stderr)
		}
	})
	t.Run("embedded", func(t *testing.T) {
		a, _ := agent(t, threading)
		got := a.Command(t, "run", "--config", a.ConfigFile)
		if got.Code != 1 || !strings.Contains(got.Stderr, want) {
			t.Errorf("exit code %d, want 1 and %q:\n%s", got.Code, want, got.Stderr)
		}
	})
}

// TestE2ECpusetIsSmallerThanTheList confines a node to one core by its control group, and asks for another: it says so, and starts with
// what it may use.
func TestE2ECpusetIsSmallerThanTheList(t *testing.T) {
	testenv.Need(t, "node")
	first, last := twoCores(t)
	g := node.ConfineCores(t, fmt.Sprint(first))
	n := &node.Node{URL: "http://localhost:7432", Home: t.TempDir(), Binary: g.Enter(t, binary(t))}
	serve := func(threading string) node.Result {
		return n.Shell(t, fmt.Sprintf("timeout 3 engramd node serve --data-dir d --listen 127.0.0.1:%d --config %s", testenv.Port(t), write(t, "threading:\n"+threading)))
	}
	got := serve(fmt.Sprintf("  spreading_cores: [%d, %d]\n  pin_threads: true\n", first, last))
	if want := fmt.Sprintf("spreading_cores: this process may not use [%d], only %d", last, first); got.Code != 1 || !strings.Contains(got.Stderr, want) {
		t.Errorf("exit code %d, want 1 and %q:\n%s", got.Code, want, got.Stderr)
	}
	got = serve(fmt.Sprintf("  spreading_cores: [%d]\n  api_cores: [%d]\n  pin_threads: true\n", first, first))
	if got.Code != 124 && got.Code != 0 || !strings.Contains(got.Stdout, "serves") {
		t.Errorf("with what it may use: exit code %d:\n%s%s", got.Code, got.Stdout, got.Stderr)
	}
}

func binary(t *testing.T) string {
	t.Helper()
	if ready := os.Getenv("ENGRAMD_BIN"); ready != "" {
		return ready
	}
	return testenv.Build(t, "cmd/engramd")
}
