package tier_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/tier"
	"github.com/engramd/engramd/node/wal"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A clock is the time of a test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A life is a store with tiers from open to close.
type life struct {
	*store.Store
	t     testing.TB
	tiers *tier.Tiers
	views map[string]*tier.View
	end   func()
}

// live opens the store in dir and runs it and its tiers until end, or the end of the test.
func live(t testing.TB, dir string, opts tier.Options) *life {
	t.Helper()
	l := opened(t, dir, opts)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- l.Run(ctx) }()
	go func() { done <- l.tiers.Run(ctx) }()
	closed := l.end
	var once sync.Once
	l.end = func() {
		once.Do(func() {
			cancel()
			if err := errors.Join(<-done, <-done); err != nil && !t.Failed() {
				t.Error(err)
			}
			closed()
		})
	}
	t.Cleanup(l.end)
	return l
}

func opened(t testing.TB, dir string, opts tier.Options) *life {
	t.Helper()
	fsys, err := disk.NewOS(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := &life{t: t, views: map[string]*tier.View{}}
	if l.tiers, err = tier.New(opts); err != nil {
		t.Fatal(err)
	}
	l.Store, err = store.Open(store.Options{
		FS: fsys, WAL: wal.Options{SegmentBytes: 1 << 20, Retry: time.Millisecond}, MapBytes: 1 << 30, CheckpointEvery: time.Hour,
		Views: func(s *store.Space, _ string) ([]store.View, error) {
			v := l.tiers.View(s)
			l.views[s.Name()] = v
			return []store.View{v}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.end = func() {
		if err := errors.Join(l.Close(), fsys.Close()); err != nil && !t.Failed() {
			t.Error(err)
		}
		l.tiers.Close()
	}
	return l
}

// space returns a space and its tiers.
func (l *life) space(name string) (*store.Space, *tier.View) {
	l.t.Helper()
	s, err := l.Create(name, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	return s, l.views[name]
}

func memory(id, content string, at time.Time) record.Memory {
	return record.Memory{ID: id, Content: content, CreatedAt: at, UpdatedAt: at, Confidence: 1}
}

func put(m record.Memory) store.Change {
	return store.Change{Kind: record.Put, ID: m.ID, Value: record.AppendValue(nil, &m, 0)}
}

func touch(id string, activation float32, at time.Time) store.Change {
	return store.Change{Kind: record.Touch, ID: id, Access: record.Access{Activation: activation, Count: 1, LastAt: at}}
}

func apply(t testing.TB, s *store.Space, changes ...store.Change) []store.Result {
	t.Helper()
	r, err := s.Apply(t.Context(), changes)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r {
		if r[i].Err != nil {
			t.Fatalf("change %d: %v", i, r[i].Err)
		}
	}
	return r
}

func id(i int) string { return fmt.Sprintf("memory-%05d", i) }

// text is content that differs from memory to memory as people's does: in parts.
func text(i int) string {
	words := []string{"harbour", "lantern", "winter", "granite", "copper", "meadow", "signal", "orchard"}
	var b strings.Builder
	for k := range 12 {
		fmt.Fprintf(&b, "the %s near the %s, ", words[(i>>k)%8], words[(i*7+k*3)%8])
	}
	fmt.Fprintf(&b, "number %d", i*2654435761)
	return b.String()
}

// fill remembers n memories, the i-th with activation(i), in one group each thousand.
func fill(t testing.TB, s *store.Space, n int, at time.Time, activation func(i int) float32) {
	t.Helper()
	fillFrom(t, s, 0, n, at, activation)
}

func fillFrom(t testing.TB, s *store.Space, from, n int, at time.Time, activation func(i int) float32) {
	t.Helper()
	var changes []store.Change
	for i := from; i < n; i++ {
		changes = append(changes, put(memory(id(i), text(i), at)))
		if activation != nil {
			changes = append(changes, touch(id(i), activation(i), at))
		}
		if len(changes) >= 1000 || i == n-1 {
			apply(t, s, changes...)
			changes = nil
		}
	}
}

func checkpoint(t testing.TB, l *life) {
	t.Helper()
	if err := l.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until ok, which something in the background brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	within(t, 30*time.Second, what, ok)
}

func within(t testing.TB, d time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(d)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

// settled waits until no migration runs or is wanted.
func settled(t testing.TB, l *life) {
	t.Helper()
	eventually(t, "migrations end", func() bool { return !l.tiers.Stats().Migrating })
}

func mustGet(t testing.TB, s *store.Space, v *tier.View, id string) (record.Memory, tier.Tier) {
	t.Helper()
	ord, _, ok := s.Lookup(id)
	if !ok {
		t.Fatalf("no memory %s", id)
	}
	var m record.Memory
	where, err := v.Get(ord, &m)
	if err != nil {
		t.Fatalf("get %s: %v", id, err)
	}
	return m, where
}
