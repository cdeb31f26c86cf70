package node_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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

// consolidationChildDir is set in the environment of the child of TestKillConsolidation.
const consolidationChildDir = "ENGRAMD_NODE_TEST_CONSOLIDATION_CHILD"

// A ledger is what people wrote and were answered: that must be found.
type ledger struct {
	content map[string]string
	tags    map[string][]string
	edges   map[string][]string // targets
	gone    map[string]bool
}

func newLedger() *ledger {
	return &ledger{content: map[string]string{}, tags: map[string][]string{}, edges: map[string][]string{}, gone: map[string]bool{}}
}

// note takes one answered write: "id content C", "id tag T", "id edge TO", "id gone".
func (l *ledger) note(f []string) {
	switch id := f[0]; f[1] {
	case "content":
		l.content[id] = f[2]
	case "tag":
		l.tags[id] = append(l.tags[id], f[2])
	case "edge":
		l.edges[id] = append(l.edges[id], f[2])
	case "gone":
		l.gone[id] = true
	}
}

// check holds a node against the ledger.
func (l *ledger) check(t *testing.T, n *node.Node) (merged int) {
	t.Helper()
	for id, content := range l.content {
		m, err := n.Get(t.Context(), "default", id)
		if err != nil || m.Content != content {
			t.Errorf("%s is %q, %v; want %q", id, m.Content, err, content)
			continue
		}
		if m.ID != id {
			merged++
		}
		for _, tag := range l.tags[id] {
			if !slices.Contains(m.Tags, tag) {
				t.Errorf("%s (now %s) lost its tag %s: %v", id, m.ID, tag, m.Tags)
			}
		}
		out, _, err := n.Edges(t.Context(), "default", id)
		if err != nil {
			t.Errorf("edges of %s: %v", id, err)
		}
		for _, to := range l.edges[id] {
			if !slices.ContainsFunc(out, func(e node.Edge) bool { return e.To == to }) {
				t.Errorf("%s (now %s) lost its edge to %s: %v", id, m.ID, to, edgeLines(out))
			}
		}
	}
	for id := range l.gone {
		if m, err := n.Get(t.Context(), "default", id); !errors.Is(err, node.ErrNotFound) {
			t.Errorf("%s was deleted and is %s, %v", id, m.ID, err)
		}
	}
	return merged
}

// An author remembers, tags, links and deletes, and tells what was answered. Nobody else writes under its ids, but many write the same contents.
type author struct {
	name string
	node *node.Node
	rng  *rand.Rand
	tell func(format string, args ...any)
	ids  []string
	n    int
}

// step writes something.
func (a *author) step() error {
	ctx := context.Background()
	a.n++
	if len(a.ids) == 0 || a.rng.IntN(3) == 0 {
		id := fmt.Sprintf("%s-%d", a.name, a.n)
		content, tag := fmt.Sprintf("c%d", a.rng.IntN(30)), "t-"+id
		if _, err := a.node.Remember(ctx, "default", node.Memory{ID: id, Content: content, Tags: []string{tag}}); err != nil {
			return err
		}
		a.tell("%s content %s\n%s tag %s\n", id, content, id, tag)
		a.ids = append(a.ids, id)
		return nil
	}
	id := a.ids[a.rng.IntN(len(a.ids))]
	switch a.rng.IntN(4) {
	case 0:
		return a.tag(ctx, id)
	case 1:
		return a.brief(ctx)
	}
	hub := fmt.Sprintf("hub-%s-%d", a.name, a.n)
	if _, err := a.node.Remember(ctx, "default", node.Memory{ID: hub, Content: hub}); err != nil {
		return err
	}
	w := 1 + node.Weight(a.rng.IntN(20000))
	errs, err := a.node.Link(ctx, "default", []node.Edge{{From: id, To: hub, Weight: w}})
	if err = errors.Join(append(errs, err)...); err != nil {
		return err
	}
	a.tell("%s edge %s\n", id, hub)
	_, err = a.node.Recall(ctx, "default", node.RecallQuery{Seeds: []node.Seed{{ID: id, Activation: 1}}, Learn: true})
	return err
}

// tag adds a tag, as people do who look first.
func (a *author) tag(ctx context.Context, id string) error {
	for {
		m, err := a.node.Get(ctx, "default", id)
		if err != nil || len(m.Tags) >= 60 {
			return err
		}
		tag := fmt.Sprintf("t-%s-%d", a.name, a.n)
		tags := append(slices.Clone(m.Tags), tag)
		switch _, err = a.node.Patch(ctx, "default", id, m.Version, node.Patch{Tags: &tags}); {
		case err == nil:
			a.tell("%s tag %s\n", id, tag)
			return nil
		case !errors.Is(err, node.ErrVersion):
			return err
		}
	}
}

// brief remembers something of a content that many remember, and deletes it at once. Who has its id loses it.
func (a *author) brief(ctx context.Context) error {
	id := fmt.Sprintf("%s-brief-%d", a.name, a.n)
	if _, err := a.node.Remember(ctx, "default", node.Memory{ID: id, Content: "brief"}); err != nil {
		return err
	}
	if err := a.node.Delete(ctx, "default", id, 0); err != nil {
		return err
	}
	a.tell("%s gone\n", id)
	return nil
}

// TestConsolidateBesideWriters: what people were answered while consolidation goes on without a rest is all there in the end.
func TestConsolidateBesideWriters(t *testing.T) {
	n, _ := standing(t, t.TempDir(), time.Now)
	l := newLedger()
	var mu sync.Mutex
	tell := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		for line := range strings.Lines(fmt.Sprintf(format, args...)) {
			l.note(strings.Fields(line))
		}
	}
	var authors, rounds sync.WaitGroup
	for i := range 4 {
		authors.Go(func() {
			a := author{name: fmt.Sprint("a", i), node: n, rng: rand.New(rand.NewPCG(uint64(i), 3)), tell: tell}
			for range 300 {
				if err := a.step(); err != nil {
					t.Errorf("%s at step %d: %v", a.name, a.n, err)
					return
				}
			}
		})
	}
	stop := make(chan struct{})
	rounds.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := n.Consolidate(context.Background(), "default"); err != nil {
				t.Error(err)
				return
			}
			n.WriteLessons(context.Background())
		}
	})
	authors.Wait()
	close(stop)
	rounds.Wait()
	for consolidatedSomething(t, n) {
	}
	if merged := l.check(t, n); merged < 100 {
		t.Errorf("only %d of %d memories were merged: this tests nothing", merged, len(l.content))
	}
}

// consolidatedSomething does a round and tells whether there was anything to do.
func consolidatedSomething(t testing.TB, n *node.Node) bool {
	r := consolidated(t, n)
	return r.Merged+r.Relinked+r.Dangling > 0
}

// TestKillConsolidation kills a process that consolidates while people write, at random instants, many times over the same directory.
// ENGRAMD_KILL_ROUNDS sets the number of rounds.
func TestKillConsolidation(t *testing.T) {
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	if s := os.Getenv("ENGRAMD_KILL_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	l := newLedger()
	merged := 0
	for round := range rounds {
		killConsolidation(t, dir, round, l)
		n, stop := standing(t, dir, time.Now)
		for id, content := range l.content { // at once
			if m, err := n.Get(t.Context(), "default", id); err != nil || m.Content != content {
				t.Errorf("round %d: %s is %q, %v; want %q", round, id, m.Content, err, content)
			}
		}
		for consolidatedSomething(t, n) {
		}
		merged = l.check(t, n)
		stop()
		if t.Failed() {
			return
		}
	}
	if merged < rounds {
		t.Errorf("only %d of %d memories were merged: this tests nothing", merged, len(l.content))
	}
}

// killConsolidation runs a child, kills it, and notes what it was answered.
func killConsolidation(t *testing.T, dir string, round int, l *ledger) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), consolidationChildDir+"="+dir, "ROUND="+strconv.Itoa(round))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var killer *time.Timer
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // a line that the kill cut is no answer
		}
		if killer == nil {
			killer = time.AfterFunc(50*time.Millisecond+time.Duration(rand.IntN(300))*time.Millisecond, func() { _ = cmd.Process.Kill() })
			defer killer.Stop()
		}
		if f := strings.Fields(line); len(f) > 1 {
			l.note(f)
		}
	}
	_ = cmd.Wait() // killed
}

// consolidationChild writes and consolidates until it is killed.
func consolidationChild(dir string) int {
	o := small(dir)
	o.ConsolidateEvery = -1
	n, err := node.Open(o)
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
	for i := range 4 {
		go func() {
			a := author{name: fmt.Sprintf("r%s.%d", os.Getenv("ROUND"), i), node: n, rng: rand.New(rand.NewPCG(rand.Uint64(), 1)), tell: tell}
			for {
				if err := a.step(); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
			}
		}()
	}
	for {
		if _, err := n.Consolidate(context.Background(), "default"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
}
