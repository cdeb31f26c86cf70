package node_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
)

// childDir is set in the environment of the child of TestKill: where its node is.
const childDir = "ENGRAMD_NODE_TEST_CHILD"

// TestKill kills a process with a running node at random instants under concurrent writers and compaction, many times over the
// same directory. Every answered write must be found, as it was or as the next try that was not answered
// any more, and no content may be torn.
func TestKill(t *testing.T) {
	if testing.Short() {
		kills(t, 5)
		return
	}
	kills(t, 50)
}

// TestE2EKill is the same, longer. ENGRAMD_KILL_ROUNDS sets the number of rounds.
func TestE2EKill(t *testing.T) {
	if os.Getenv("ENGRAMD_E2E") == "" {
		t.Skip("takes a minute: set ENGRAMD_E2E to run it (make e2e)")
	}
	rounds := 200
	if s := os.Getenv("ENGRAMD_KILL_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	kills(t, rounds)
}

func kills(t *testing.T, rounds int) {
	dir := t.TempDir()
	tried, answered := map[string]int{}, map[string]int{}
	for round := range rounds {
		killOnce(t, dir, tried, answered)
		checkKilled(t, dir, round, tried, answered)
		if t.Failed() {
			return
		}
	}
	if len(answered) < rounds {
		t.Errorf("only %d memories were answered in %d rounds: this tested nothing", len(answered), rounds)
	}
}

// killOnce runs a child and kills it; it notes what the child tried and was answered.
func killOnce(t *testing.T, dir string, tried, answered map[string]int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	note := func() bool {
		if !lines.Scan() {
			return false
		}
		f := strings.Fields(lines.Text())
		if len(f) != 3 {
			return true // the last line of the killed child may be cut
		}
		step, err := strconv.Atoi(f[2])
		if err != nil {
			return true
		}
		if f[0] == "try" {
			tried[f[1]] = step
		} else {
			answered[f[1]] = step
		}
		return true
	}
	if !note() { // it is up
		t.Fatal("the child wrote nothing")
	}
	killer := time.AfterFunc(time.Duration(rand.IntN(150))*time.Millisecond, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	for note() {
	}
	_ = cmd.Wait() // killed
}

// checkKilled opens what the child left.
func checkKilled(t *testing.T, dir string, round int, tried, answered map[string]int) {
	t.Helper()
	n, err := node.Open(small(dir))
	if err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	defer n.Close()
	if r := n.Store().Stats().Recovery; len(r.Holes) > 0 {
		t.Errorf("round %d: holes %v", round, r.Holes)
	}
	for id, last := range tried {
		found := 0
		m, err := n.Get(t.Context(), "default", id)
		switch {
		case err == nil:
			if found, err = stepOf(m.Content); err != nil {
				t.Errorf("round %d: %s: %v", round, id, err)
			} else if !slices.Equal(m.Vector, vectorAt(found)) {
				t.Errorf("round %d: %s at step %d has another step's vector: %v", round, id, found, m.Vector)
			}
		case !errors.Is(err, node.ErrNotFound):
			t.Errorf("round %d: %s: %v", round, id, err)
		}
		if err != nil { // deleted, or never there
			if !deleted(answered[id]) && !deleted(last) && answered[id] > 0 {
				t.Errorf("round %d: %s was answered at step %d and is gone", round, id, answered[id])
			}
			continue
		}
		if found < answered[id] || found > last {
			t.Errorf("round %d: %s is at step %d; answered was %d, tried %d", round, id, found, answered[id], last)
		}
	}
}

// A memory is at step 1 when it is remembered, at the next ones when it is patched, and at every fifth it is
// deleted for good.
func deleted(step int) bool { return step == 5 }

func contentOf(step int, rng *rand.Rand) string {
	body := strings.Repeat(string(rune('a'+step%26)), rng.IntN(3000))
	return fmt.Sprintf("%d %08x %s", step, crc32.ChecksumIEEE([]byte(body)), body)
}

func stepOf(content string) (int, error) {
	var step int
	var sum uint32
	if _, err := fmt.Sscanf(content, "%d %x", &step, &sum); err != nil {
		return 0, fmt.Errorf("torn: %w", err)
	}
	f := strings.SplitN(content, " ", 3)
	if len(f) != 3 || crc32.ChecksumIEEE([]byte(f[2])) != sum {
		return 0, errors.New("torn: the content's own checksum does not match")
	}
	return step, nil
}

// vectorAt returns the vector at a step: the third leaves it as it was.
func vectorAt(step int) []float32 {
	if step == 3 {
		step = 2
	}
	return slices.Repeat([]float32{float32(step)}, 100)
}

// child writes until it is killed.
func child(dir string) int {
	n, err := node.Open(small(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() { fmt.Fprintln(os.Stderr, n.Run(context.Background())) }()
	var mu sync.Mutex
	tell := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		if _, err := fmt.Fprintf(os.Stdout, format, args...); err != nil {
			os.Exit(1)
		}
	}
	tell("up\n")
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			if _, err := n.Compact(context.Background(), "default"); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
	})
	for range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(rand.Uint64(), 1))
			for {
				id := fmt.Sprintf("m%x", rng.Uint64())
				for step := 1; step <= 5 && (step < 2 || rng.IntN(3) > 0); step++ {
					tell("try %s %d\n", id, step)
					if err := childStep(n, id, step, contentOf(step, rng)); err != nil {
						fmt.Fprintln(os.Stderr, err)
						os.Exit(1)
					}
					tell("ok %s %d\n", id, step)
				}
			}
		})
	}
	wg.Wait()
	return 0
}

func childStep(n *node.Node, id string, step int, content string) (err error) {
	ctx := context.Background()
	switch {
	case step == 1:
		_, err = n.Remember(ctx, "default", node.Memory{ID: id, Content: content, Vector: vectorAt(step)})
	case deleted(step):
		err = n.Delete(ctx, "default", id, 0)
	case step%2 == 0:
		x := vectorAt(step)
		_, err = n.Patch(ctx, "default", id, 0, node.Patch{Content: &content, Vector: &x})
	default:
		_, err = n.Patch(ctx, "default", id, 0, text(content))
	}
	return err
}
