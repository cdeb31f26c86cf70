package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/wal"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	if dir := os.Getenv(snapshotChildDir); dir != "" {
		os.Exit(snapshotChild(dir))
	}
	if dir := os.Getenv(consolidationChildDir); dir != "" {
		os.Exit(consolidationChild(dir))
	}
	goleak.VerifyTestMain(m)
}

// small options make segments, checkpoints and maps of the size of a test.
func small(dir string) node.Options {
	return node.Options{DataDir: dir, HotBytes: 8 << 20, Store: store.Options{
		WAL: wal.Options{SegmentBytes: 256 << 10}, MapBytes: 1 << 26,
		CheckpointBytes: 64 << 10, CheckpointEvery: 50 * time.Millisecond,
	}}
}

// running opens a node and runs it until the returned func is called or the test ends.
func running(t testing.TB, opts node.Options) (*node.Node, func()) {
	t.Helper()
	n, err := node.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			if err := errors.Join(<-done, n.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return n, stop
}

func text(s string) node.Patch { return node.Patch{Content: &s} }

func TestRemember(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	ctx := t.Context()
	m := node.Memory{
		ID: "a", Content: "one", Type: record.Semantic, Tags: []string{"x"}, Confidence: 0.5, Metadata: json.RawMessage(`{ "k" : 1 }`),
		CreatedAt: time.UnixMilli(5).UTC(),
	}
	r, err := n.Remember(ctx, "default", m)
	if err != nil || !r.Created || r.Version == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	got, err := n.Get(ctx, "default", "a")
	want := m
	want.Metadata, want.UpdatedAt, want.Version = json.RawMessage(`{"k":1}`), want.CreatedAt, r.Version
	want.Access = record.Access{Activation: 1, LastAt: m.CreatedAt} // as every memory that nobody accessed yet
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if again, err := n.Remember(ctx, "default", m); err != nil || again.Created || again.Version != r.Version {
		t.Errorf("the same again: %+v, %v", again, err)
	}
	m.Content = "two"
	if _, err := n.Remember(ctx, "default", m); !errors.Is(err, node.ErrConflict) {
		t.Errorf("another content: %v; want ErrConflict", err)
	}
	if r, err := n.Remember(ctx, "default", node.Memory{Content: "no id"}); err != nil || len(r.ID) != 36 {
		t.Errorf("without an id: %+v, %v", r, err)
	}
	if _, err := n.Remember(ctx, "nowhere", m); !errors.Is(err, node.ErrNoSpace) {
		t.Errorf("into an unknown space: %v", err)
	}
	if _, err := n.Remember(ctx, "default", node.Memory{ID: "b", Content: strings.Repeat("x", record.MaxContentBytes+1)}); !errors.Is(err, node.ErrInvalid) {
		t.Errorf("too much content: %v", err)
	}
}

func TestRememberAllRefusesOnlyWhatIsWrong(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	rs, err := n.RememberAll(t.Context(), "default", []node.Memory{
		{ID: "a", Content: "1"}, {ID: "a/b", Content: "2"}, {ID: "a", Content: "1"}, {ID: "a", Content: "3"}, {ID: "c", Content: "4"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []error{nil, node.ErrInvalid, nil, node.ErrConflict, nil}
	for i, r := range rs {
		if !errors.Is(r.Err, want[i]) {
			t.Errorf("%d: %v; want %v", i, r.Err, want[i])
		}
	}
	if !rs[0].Created || rs[2].Created || rs[2].Version != rs[0].Version || !rs[4].Created {
		t.Errorf("%+v", rs)
	}
}

func TestPatchAndDelete(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	ctx := t.Context()
	r, err := n.Remember(ctx, "default", node.Memory{ID: "a", Content: "one", Tags: []string{"keep"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Patch(ctx, "default", "a", r.Version+1, text("x")); !errors.Is(err, node.ErrVersion) {
		t.Errorf("patch of another version: %v", err)
	}
	m, err := n.Patch(ctx, "default", "a", r.Version, text("two"))
	if err != nil || m.Content != "two" || m.Version <= r.Version || len(m.Tags) != 1 {
		t.Errorf("%+v, %v", m, err)
	}
	if got, _ := n.Get(ctx, "default", "a"); got.Content != "two" || got.Version != m.Version {
		t.Errorf("after the patch: %+v", got)
	}
	if err := n.Delete(ctx, "default", "a", r.Version); !errors.Is(err, node.ErrVersion) {
		t.Errorf("delete of an old version: %v", err)
	}
	if err := n.Delete(ctx, "default", "a", 0); err != nil {
		t.Error(err)
	}
	for _, err := range []error{
		n.Delete(ctx, "default", "a", 0),
		second(n.Patch(ctx, "default", "a", 0, text("x"))),
		second(n.Get(ctx, "default", "a")),
	} {
		if !errors.Is(err, node.ErrNotFound) {
			t.Errorf("after the delete: %v; want ErrNotFound", err)
		}
	}
	if r, err := n.Remember(ctx, "default", node.Memory{ID: "a", Content: "again"}); err != nil || !r.Created || r.Version <= m.Version {
		t.Errorf("remembered again: %+v, %v", r, err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestConcurrentPatchesAllCount: without If-Match each patch builds on the one before it.
func TestConcurrentPatchesAllCount(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	ctx := t.Context()
	if _, err := n.Remember(ctx, "default", node.Memory{ID: "a", Content: "x"}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	won := make([]int, 8)
	for w := range won {
		wg.Go(func() {
			for {
				m, err := n.Get(ctx, "default", "a")
				if err != nil {
					t.Error(err)
					return
				}
				if len(m.Content) > 100 {
					return
				}
				_, err = n.Patch(ctx, "default", "a", m.Version, text(m.Content+"x"))
				if err == nil {
					won[w]++
				} else if !errors.Is(err, node.ErrVersion) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	sum := 1
	for _, k := range won {
		sum += k
	}
	if m, _ := n.Get(ctx, "default", "a"); len(m.Content) != sum {
		t.Errorf("%d patches won, the content has %d letters", sum, len(m.Content))
	}
}

func TestRedirectsAndExpiry(t *testing.T) {
	opts := small(t.TempDir())
	now := time.UnixMilli(1_000_000)
	opts.Now = func() time.Time { return now }
	n, _ := running(t, opts)
	ctx := t.Context()
	for _, m := range []node.Memory{
		{ID: "new", Content: "same"}, {ID: "old", Redirect: "new"}, {ID: "older", Redirect: "old"},
		{ID: "loop", Redirect: "loop"}, {ID: "lost", Redirect: "nothing"},
		{ID: "brief", Content: "x", ExpiresAt: now.Add(time.Second)},
	} {
		if _, err := n.Remember(ctx, "default", m); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := n.Get(ctx, "default", "older"); m.ID != "new" || err != nil {
		t.Errorf("older is %q, %v; want new", m.ID, err)
	}
	if _, err := n.Get(ctx, "default", "loop"); !errors.Is(err, node.ErrNotFound) {
		t.Errorf("a loop: %v", err)
	}
	if _, err := n.Get(ctx, "default", "lost"); !errors.Is(err, node.ErrNotFound) {
		t.Errorf("a redirect to nothing: %v", err)
	}
	now = now.Add(time.Second)
	if _, err := n.Get(ctx, "default", "brief"); !errors.Is(err, node.ErrNotFound) {
		t.Errorf("expired: %v", err)
	}
	if r, err := n.Remember(ctx, "default", node.Memory{ID: "brief", Content: "y"}); err != nil || !r.Created {
		t.Errorf("remembered over what expired: %+v, %v", r, err)
	}
	all, _, err := n.List(ctx, "default", 0, 10, nil)
	if err != nil || len(all) != 2 {
		t.Errorf("list: %d memories, %v; want new and brief", len(all), err)
	}
}

func TestListByCursor(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	ctx := t.Context()
	var want []string
	for i := range 25 {
		id := fmt.Sprint("m", i)
		want = append(want, id)
		if _, err := n.Remember(ctx, "default", node.Memory{ID: id, Content: id}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for cursor, calls := uint64(0), 0; ; calls++ {
		ms, next, err := n.List(ctx, "default", cursor, 10, nil)
		if err != nil || calls > 3 {
			t.Fatal(calls, err)
		}
		for _, m := range ms {
			got = append(got, m.ID)
		}
		if cursor = next; next == 0 {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, limit := range []int{0, -1} {
		if _, _, err := n.List(ctx, "default", 0, limit, nil); !errors.Is(err, node.ErrInvalid) {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}

func TestMaintenance(t *testing.T) {
	dir := t.TempDir()
	opts := small(dir)
	var mu sync.Mutex
	now := time.UnixMilli(1_000_000).UTC()
	opts.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	n, stop := running(t, opts)
	ctx := t.Context()
	write := func(n *node.Node) error {
		_, err := n.Remember(ctx, "default", node.Memory{Content: "x"})
		return err
	}
	if _, err := n.EnableMaintenance("agent", time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := n.EnableMaintenance("", 0); err != nil {
		t.Fatal(err)
	}
	e, ok := errors.AsType[*node.MaintenanceError](write(n))
	if !ok || e.RetryAfter <= 0 || !errors.Is(e, node.ErrMaintenance) {
		t.Errorf("a write in maintenance mode: %+v", e)
	}
	if _, err := n.Get(ctx, "default", "nothing"); !errors.Is(err, node.ErrNotFound) {
		t.Errorf("a read in maintenance mode: %v", err)
	}
	stop()
	n, _ = running(t, opts)
	if holds := n.Maintenance(); len(holds) != 2 {
		t.Errorf("after a restart: %v; want two holds", holds)
	}
	if holds, err := n.DisableMaintenance("", false); err != nil || len(holds) != 1 || holds[0].Owner != "agent" {
		t.Errorf("one gave up its hold: %v, %v; want the other's", holds, err)
	}
	if err := write(n); !errors.Is(err, node.ErrMaintenance) {
		t.Errorf("the other's hold: %v", err)
	}
	pass(time.Minute)
	if err := write(n); err != nil {
		t.Errorf("after the ttl: %v", err)
	}
	if r, w := n.InFlight(); r != 0 || w != 0 {
		t.Errorf("%d reads and %d writes under way", r, w)
	}
	if _, err := n.EnableMaintenance("x", -1); !errors.Is(err, node.ErrInvalid) {
		t.Errorf("a negative ttl: %v", err)
	}
}

func TestOneProcessADirectory(t *testing.T) {
	dir := t.TempDir()
	running(t, small(dir))
	if _, err := node.Open(small(dir)); err == nil || !strings.Contains(err.Error(), fmt.Sprint("in use by process ", os.Getpid())) {
		t.Errorf("%v; want the process named", err)
	}
}

func TestLinks(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	ctx := t.Context()
	if _, err := n.RememberAll(ctx, "default", []node.Memory{{ID: "a", Content: "1"}, {ID: "b", Content: "2"}}); err != nil {
		t.Fatal(err)
	}
	errs, err := n.Link(ctx, "default", []node.Edge{
		{From: "a", To: "b", Weight: 5}, {From: "a", To: "a", Weight: 5}, {From: "a", To: "zz", Weight: 5}, {From: "a", To: "b"},
		{From: "b", To: "a", Weight: record.WeightOne + 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []error{nil, node.ErrInvalid, node.ErrNotFound, node.ErrInvalid, node.ErrInvalid}
	for i, err := range errs {
		if !errors.Is(err, want[i]) {
			t.Errorf("link %d: %v; want %v", i, err, want[i])
		}
	}
	if errs, err = n.Unlink(ctx, "default", []node.Edge{{From: "a", To: "b"}, {From: "b", To: "a"}, {From: "zz", To: "a"}}); err != nil {
		t.Fatal(err)
	}
	want = []error{nil, nil, node.ErrNotFound}
	for i, err := range errs {
		if !errors.Is(err, want[i]) {
			t.Errorf("unlink %d: %v; want %v", i, err, want[i])
		}
	}
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		runtime.Gosched()
	}
}
