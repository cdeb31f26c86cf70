package powerfail_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	noden "github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/wal"
)

// Set in the environment of a child.
const (
	childMode = "ENGRAMD_POWERFAIL_CHILD" // write, fill, rest or check
	childDir  = "ENGRAMD_POWERFAIL_DIR"
	childNews = "ENGRAMD_POWERFAIL_EXPECT" // the file that tells a checking child what to find
)

// An account is what the children tried, and what they were answered.
type account struct {
	Tried, Answered map[string]int    // memory: step
	Links           map[string]string // memory: another, to which an edge leads
	Spaces          map[string]string // space: what was said of it last: made, filled, dropping, dropped
}

func options(dir string) noden.Options {
	return noden.Options{DataDir: dir, HotBytes: 1 << 20, Store: store.Options{
		WAL: wal.Options{SegmentBytes: 128 << 10, Retry: 5 * time.Millisecond}, MapBytes: 1 << 26,
		CheckpointBytes: 32 << 10, CheckpointEvery: 20 * time.Millisecond,
	}}
}

// child is the main function of a child.
func child(mode, dir string) error {
	n, err := noden.Open(options(dir))
	for disk.IsFull(err) {
		n, err = noden.Open(options(dir))
	}
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	switch mode {
	case "write":
		err = write(ctx, n)
	case "fill":
		err = fill(ctx, n, dir)
	case "rest":
		err = n.Store().Checkpoint(ctx)
	default:
		err = check(ctx, n)
	}
	cancel()
	return errors.Join(err, <-done, n.Close())
}

var telling sync.Mutex

// tell writes a line for the parent.
func tell(format string, args ...any) {
	telling.Lock()
	defer telling.Unlock()
	if _, err := fmt.Fprintf(os.Stdout, format+"\n", args...); err != nil {
		os.Exit(1)
	}
}

// filled is the file that fill makes before its last checkpoint.
const filled = "filled"

// fill writes into every space that there is, until the log has let go of some segments.
func fill(ctx context.Context, n *noden.Node, dir string) error {
	for _, s := range n.Store().Spaces() {
		if s.Name == "default" {
			continue
		}
		if _, err := n.Remember(ctx, s.Name, noden.Memory{ID: "first", Content: s.Name}); err != nil {
			return err
		}
		tell("filled %s", s.Name)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 300 {
		id := fmt.Sprintf("f%d", i)
		tell("try %s 1", id)
		if err := take(ctx, n, id, 1, contentOf(1, rng)); err != nil {
			return err
		}
		tell("ok %s 1", id)
	}
	if err := n.Store().Checkpoint(ctx); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, filled), nil, 0o600); err != nil {
		return err
	}
	tell("try last 1")
	if err := take(ctx, n, "last", 1, contentOf(1, rng)); err != nil {
		return err
	}
	tell("ok last 1")
	return n.Store().Checkpoint(ctx)
}

// write writes until it cannot.
func write(ctx context.Context, n *noden.Node) error {
	tell("up")
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for range 5 {
		wg.Go(func() { errs <- remember(ctx, n) })
	}
	wg.Go(func() { errs <- makeSpaces(ctx, n) })
	wg.Go(func() { errs <- compact(ctx, n) })
	wg.Wait()
	close(errs)
	var all error
	for err := range errs {
		all = errors.Join(all, err)
	}
	return all
}

func remember(ctx context.Context, n *noden.Node) error {
	rng := rand.New(rand.NewPCG(rand.Uint64(), 1))
	before := ""
	for {
		id := fmt.Sprintf("m%x", rng.Uint64())
		for step := 1; step <= 5 && (step < 2 || rng.IntN(3) > 0); step++ {
			tell("try %s %d", id, step)
			content := contentOf(step, rng)
			if err := whileFull(func() error { return take(ctx, n, id, step, content) }); err != nil {
				return err
			}
			tell("ok %s %d", id, step)
			if step == 1 && before != "" {
				if err := whileFull(func() error { return link(ctx, n, id, before) }); err != nil {
					return err
				}
				tell("link %s %s", id, before)
			}
			if before = id; deleted(step) {
				before = ""
			}
		}
	}
}

func link(ctx context.Context, n *noden.Node, from, to string) error {
	errs, err := n.Link(ctx, "default", []noden.Edge{{From: from, To: to, Weight: noden.Weight(100)}})
	return errors.Join(append(errs, err)...)
}

// take does one step of a memory's life: remembered, patched, and deleted at the fifth.
func take(ctx context.Context, n *noden.Node, id string, step int, content string) (err error) {
	switch {
	case step == 1:
		_, err = n.Remember(ctx, "default", noden.Memory{ID: id, Content: content, Vector: vectorAt(step)})
	case deleted(step):
		err = n.Delete(ctx, "default", id, 0)
	case step%2 == 0:
		x := vectorAt(step)
		_, err = n.Patch(ctx, "default", id, 0, noden.Patch{Content: &content, Vector: &x})
	default:
		_, err = n.Patch(ctx, "default", id, 0, noden.Patch{Content: &content})
	}
	return err
}

func deleted(step int) bool { return step == 5 }

func contentOf(step int, rng *rand.Rand) string {
	body := strings.Repeat(string(rune('a'+step%26)), rng.IntN(3000))
	return fmt.Sprintf("%d %08x %s", step, crc32.ChecksumIEEE([]byte(body)), body)
}

// vectorAt returns the vector at a step: the third leaves it as it was.
func vectorAt(step int) []float32 {
	if step == 3 {
		step = 2
	}
	return slices.Repeat([]float32{float32(step)}, 100)
}

// makeSpaces makes spaces, with a memory in each.
func makeSpaces(ctx context.Context, n *noden.Node) error {
	for i := 0; ; i++ {
		name := fmt.Sprintf("s%x", rand.Uint64())
		if err := whileFull(func() error { _, err := n.Store().Create(name, 0); return err }); err != nil {
			return err
		}
		tell("made %s", name)
		if err := whileFull(func() error {
			_, err := n.Remember(ctx, name, noden.Memory{ID: "first", Content: name})
			return err
		}); err != nil {
			return err
		}
		tell("filled %s", name)
		if i%2 == 0 {
			tell("dropping %s", name)
			if err := whileFull(func() error { return n.DropSpace(ctx, name) }); err != nil && !errors.Is(err, noden.ErrNoSpace) {
				return err
			}
			tell("dropped %s", name)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

func compact(ctx context.Context, n *noden.Node) error {
	s, err := n.Store().Space("default")
	for err == nil {
		err = whileFull(func() error { _, _, err := s.Compact(ctx); return err })
		select {
		case <-time.After(30 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return err
}

// whileFull does it again while the disk is full.
func whileFull(do func() error) error {
	for {
		if err := do(); !errors.Is(err, noden.ErrFull) {
			return err
		}
	}
}

// check tells whether the node has all that was answered, and nothing else.
func check(ctx context.Context, n *noden.Node) error {
	b, err := os.ReadFile(os.Getenv(childNews))
	if err != nil {
		return err
	}
	var a account
	if err := json.Unmarshal(b, &a); err != nil {
		return err
	}
	var errs []error
	st := n.Store().Stats()
	if holes := st.Recovery.Holes; len(holes) > 0 {
		errs = append(errs, fmt.Errorf("holes %v", holes))
	}
	for _, s := range n.Store().Spaces() {
		if s.Err != nil {
			errs = append(errs, s.Err)
		}
		if sp, err := n.Store().Space(s.Name); err == nil && len(sp.Faults()) > 0 {
			errs = append(errs, fmt.Errorf("space %s: faults %v", s.Name, sp.Faults()))
		}
	}
	for id, last := range a.Tried {
		if err := checkOne(ctx, n, id, a.Answered[id], last); err != nil {
			errs = append(errs, err)
		}
	}
	for from, to := range a.Links {
		if deleted(a.Tried[from]) || deleted(a.Tried[to]) {
			continue
		}
		out, _, err := n.Edges(ctx, "default", from)
		if err != nil || !slices.ContainsFunc(out, func(e noden.Edge) bool { return e.To == to }) {
			errs = append(errs, fmt.Errorf("the edge from %s to %s is not among %v, %w", from, to, out, err))
		}
	}
	for name, last := range a.Spaces {
		m, err := n.Get(ctx, name, "first")
		gone := errors.Is(err, noden.ErrNoSpace)
		switch {
		case err == nil && last != "dropped" && m.Content == name:
		case errors.Is(err, noden.ErrNotFound) && last == "made":
		case gone && (last == "dropping" || last == "dropped"):
		default:
			errs = append(errs, fmt.Errorf("space %s, which was %s: %q, %w", name, last, m.Content, err))
		}
	}
	if _, err := n.Remember(ctx, "default", noden.Memory{Content: "written after the cut"}); err != nil {
		errs = append(errs, err)
	}
	if err := n.Store().Checkpoint(ctx); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func checkOne(ctx context.Context, n *noden.Node, id string, answered, tried int) error {
	m, err := n.Get(ctx, "default", id)
	if err != nil { // deleted, or never there
		if !errors.Is(err, noden.ErrNotFound) {
			return fmt.Errorf("%s: %w", id, err)
		}
		if answered > 0 && !deleted(answered) && !deleted(tried) {
			return fmt.Errorf("%s was answered at step %d and is gone", id, answered)
		}
		return nil
	}
	var step int
	var sum uint32
	f := strings.SplitN(m.Content, " ", 3)
	if _, err := fmt.Sscanf(m.Content, "%d %x", &step, &sum); err != nil || len(f) != 3 || crc32.ChecksumIEEE([]byte(f[2])) != sum {
		return fmt.Errorf("%s is torn: %.40q, %w", id, m.Content, err)
	}
	if step < answered || step > tried {
		return fmt.Errorf("%s is at step %d; answered was %d, tried %d", id, step, answered, tried)
	}
	if !slices.Equal(m.Vector, vectorAt(step)) {
		return fmt.Errorf("%s at step %d has another step's vector: %v", id, step, m.Vector)
	}
	return nil
}
