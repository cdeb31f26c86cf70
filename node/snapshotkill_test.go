package node_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// snapshotChildDir is set in the environment of the child of TestKillSnapshots.
const snapshotChildDir = "ENGRAMD_NODE_TEST_SNAPSHOT_CHILD"

const snapshotWidth = 300 // memories

// TestKillSnapshots kills a process that takes, restores, copies and deletes snapshots, at random instants, many times over the same
// directory. The space is what it was before or after what was under way, never half of it; every snapshot that was answered is
// there and whole, and nothing else is listed.
func TestKillSnapshots(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	if s := os.Getenv("ENGRAMD_KILL_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	k := &killedSnapshots{t: t, dir: dir, taken: map[string]int{}}
	for k.round = range rounds {
		k.run()
		k.check()
		if t.Failed() {
			return
		}
	}
	if k.answered["write"]*k.answered["take"]*k.answered["restore"]*k.answered["delete"] == 0 {
		t.Errorf("answered: %v: this tested nothing", k.answered)
	}
}

// killedSnapshots is what the parent knows.
type killedSnapshots struct {
	t        *testing.T
	dir      string
	round    int
	step     int            // of the space, answered
	pending  []string       // the words of what was begun and not answered
	taken    map[string]int // snapshots that were answered, and their steps
	answered map[string]int
}

// run runs a child, kills it, and follows what it said.
func (k *killedSnapshots) run() {
	k.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), snapshotChildDir+"="+k.dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.pending = nil
	var killer *time.Timer
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if killer == nil {
			killer = time.AfterFunc(time.Duration(rand.IntN(400))*time.Millisecond, func() { _ = cmd.Process.Kill() })
			defer killer.Stop()
		}
		if f := strings.Fields(lines.Text()); len(f) > 0 && f[len(f)-1] == "." { // the last line of the killed child may be cut
			k.follow(f[:len(f)-1])
		}
	}
	_ = cmd.Wait() // killed
}

// follow takes one line: "write 7", "take 7", "restore NAME", "delete NAME" begin something, "ok ..." ends it.
func (k *killedSnapshots) follow(f []string) {
	if f[0] != "ok" {
		k.pending = f
		return
	}
	if k.answered == nil {
		k.answered = map[string]int{}
	}
	switch k.answered[k.pending[0]]++; k.pending[0] {
	case "write":
		k.step, _ = strconv.Atoi(k.pending[1])
	case "take":
		k.taken[f[1]] = k.step
	case "restore":
		k.step = k.taken[k.pending[1]]
	case "delete":
		delete(k.taken, k.pending[1])
	}
	k.pending = nil
}

// check opens what the child left.
func (k *killedSnapshots) check() {
	t := k.t
	t.Helper()
	n, err := node.Open(small(k.dir))
	if err != nil {
		t.Fatalf("round %d: %v", k.round, err)
	}
	defer n.Close()
	if r := n.Store().Stats().Recovery; len(r.Holes) > 0 {
		t.Errorf("round %d: holes %v", k.round, r.Holes)
	}
	allowed := []int{k.step}
	if len(k.pending) > 0 {
		switch k.pending[0] {
		case "write":
			next, _ := strconv.Atoi(k.pending[1])
			allowed = append(allowed, next)
		case "restore":
			allowed = append(allowed, k.taken[k.pending[1]])
		}
	}
	step, err := stepOfAll(t.Context(), n)
	if err != nil || !slices.Contains(allowed, step) {
		t.Errorf("round %d: the space is at step %d, %v; want one of %v; under way: %v", k.round, step, err, allowed, k.pending)
	}
	k.step = step
	k.checkList(n)
	if names, err := filepath.Glob(filepath.Join(k.dir, "spaces", "*")); err != nil || len(names) != len(n.Spaces()) {
		t.Errorf("round %d: directories %v for %d spaces; %v", k.round, names, len(n.Spaces()), err)
	}
}

// checkList compares the snapshots that there are with those that were answered.
func (k *killedSnapshots) checkList(n *node.Node) {
	t := k.t
	t.Helper()
	infos, err := n.Snapshots("")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, i := range infos {
		listed[i.Name] = true
		if _, err := n.VerifySnapshot(t.Context(), i.Name); err != nil || i.Damage != "" {
			t.Errorf("round %d: %s: %v %s", k.round, i.Name, err, i.Damage)
		}
		if _, known := k.taken[i.Name]; !known {
			if len(k.pending) == 0 || k.pending[0] != "take" {
				t.Errorf("round %d: %s is listed, and nobody took it", k.round, i.Name)
			}
			k.taken[i.Name] = k.step // it was done, and not answered any more
		}
	}
	for name := range k.taken {
		if !listed[name] {
			if len(k.pending) == 0 || k.pending[0] != "delete" || k.pending[1] != name {
				t.Errorf("round %d: %s was answered and is gone", k.round, name)
			}
			delete(k.taken, name)
		}
	}
	entries, err := os.ReadDir(filepath.Join(k.dir, "snapshots"))
	if err != nil || len(entries) != len(infos) {
		t.Errorf("round %d: %v for %d snapshots; %v", k.round, entries, len(infos), err)
	}
}

// stepOfAll returns the step of the space's memories, which are all of one.
func stepOfAll(ctx context.Context, n *node.Node) (int, error) {
	ms, _, err := n.List(ctx, "default", 0, 10*snapshotWidth, nil)
	if err != nil || len(ms) == 0 {
		return 0, err
	}
	for _, m := range ms {
		if m.Content != ms[0].Content || len(m.Vector) == 0 || fmt.Sprint(m.Vector[0]) != m.Content {
			return 0, fmt.Errorf("%s is at %s with vector %v, %s at %s", m.ID, m.Content, m.Vector[:1], ms[0].ID, ms[0].Content)
		}
	}
	if len(ms) != snapshotWidth {
		return 0, fmt.Errorf("%d memories", len(ms))
	}
	return strconv.Atoi(ms[0].Content)
}

// snapshotChild works until it is killed.
func snapshotChild(dir string) int {
	n, err := node.Open(small(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() { fmt.Fprintln(os.Stderr, n.Run(context.Background())) }()
	if err := snapshotLife(context.Background(), n); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
	}
	return 1
}

func snapshotLife(ctx context.Context, n *node.Node) error {
	step, err := stepOfAll(ctx, n)
	if err != nil {
		return err
	}
	for {
		infos, err := n.Snapshots("")
		if err != nil {
			return err
		}
		switch kind := rand.IntN(4); {
		case kind == 0 || len(infos) == 0 && kind > 1:
			step++
			fmt.Printf("write %d .\n", step)
			if err := writeStep(ctx, n, step); err != nil {
				return err
			}
			fmt.Println("ok .")
		case kind == 1:
			fmt.Printf("take %d .\n", step)
			i, err := n.Snapshot(ctx, "default")
			if err != nil {
				return err
			}
			fmt.Printf("ok %s .\n", i.Name)
		case kind == 2:
			name := infos[rand.IntN(len(infos))].Name
			fmt.Printf("restore %s .\n", name)
			if _, err := n.RestoreSnapshot(ctx, name, ""); err != nil {
				return err
			}
			if step, err = stepOfAll(ctx, n); err != nil {
				return errors.Join(errors.New("after a restore"), err)
			}
			fmt.Println("ok .")
		case len(infos) > 3:
			name := infos[rand.IntN(len(infos))].Name
			fmt.Printf("delete %s .\n", name)
			if err := n.DeleteSnapshot(name); err != nil {
				return err
			}
			fmt.Println("ok .")
		}
	}
}

// writeStep brings all memories to a step, in one group.
func writeStep(ctx context.Context, n *node.Node, step int) error {
	s, err := n.Store().Space("default")
	if err != nil {
		return err
	}
	if err := s.FixDimension(20); err != nil {
		return err
	}
	changes := make([]store.Change, snapshotWidth)
	for i := range changes {
		m := node.Memory{ID: fmt.Sprint("m", i), Content: fmt.Sprint(step), Vector: slices.Repeat([]float32{float32(step)}, 20)}
		changes[i] = store.Change{Kind: record.Put, ID: m.ID, Value: record.AppendValue(nil, &m, 0), Vector: m.Vector}
	}
	rs, err := s.Apply(ctx, changes)
	for _, r := range rs {
		err = errors.Join(err, r.Err)
	}
	return err
}
