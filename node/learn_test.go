package node_test

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/spread"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/tier"
	"github.com/google/go-cmp/cmp"
)

// day0 is when the memories of these tests were last accessed; the clock stands half-lives later.
var day0 = time.UnixMilli(1_700_000_000_000).UTC()

func clockAt(days float64) func() time.Time {
	at := day0.Add(time.Duration(days * float64(tier.HalfLife)))
	return func() time.Time { return at }
}

// standing opens a node that runs, but whose recalls are learned only when WriteLessons is called or it stops: nothing waits before.
func standing(t testing.TB, dir string, now func() time.Time) (*node.Node, func()) {
	t.Helper()
	o := small(dir)
	o.Now, o.ConsolidateEvery = now, -1
	return running(t, o)
}

func accessOf(t testing.TB, n *node.Node, id string) record.Access {
	t.Helper()
	m, err := n.Get(t.Context(), "default", id, node.WithoutVector)
	if err != nil {
		t.Fatal(err)
	}
	return m.Access
}

func recall(t testing.TB, n *node.Node, q node.RecallQuery) node.Recollection {
	t.Helper()
	r, err := n.Recall(t.Context(), "default", q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// weightOf returns the weight of an edge.
func weightOf(t testing.TB, n *node.Node, from, to string) float64 {
	t.Helper()
	out, _, err := n.Edges(t.Context(), "default", from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range out {
		if e.To == to {
			if e.Weight.Inhibitory() {
				return -e.Weight.Float64()
			}
			return e.Weight.Float64()
		}
	}
	t.Fatalf("no edge from %s to %s", from, to)
	return 0
}

func TestRecallLearns(t *testing.T) {
	dir := t.TempDir()
	n, stop := standing(t, dir, clockAt(2))
	was := record.Access{Activation: 0.8, Count: 4, LastAt: day0} // a quarter of it is left
	for _, id := range []string{"a", "b", "c", "d"} {
		remember(t, n, node.Memory{ID: id, Content: id, Access: was})
	}
	links(t, n, node.Edge{From: "a", To: "b", Weight: weight(t, 0.5)}, node.Edge{From: "b", To: "c", Weight: weight(t, 0.9)},
		node.Edge{From: "a", To: "d", Weight: weight(t, -0.5)})
	q := node.RecallQuery{Seeds: []node.Seed{{ID: "a", Activation: 0.6}}, Spread: spread.Options{Hops: 2, FanOut: 5, Decay: 0.5, Threshold: 0.01}}
	if r := recall(t, n, q); !slices.Equal(hitIDs(r), []string{"a", "b", "c"}) {
		t.Fatalf("%+v", r)
	}
	n.WriteLessons(t.Context())
	if a := accessOf(t, n, "a"); a != was || n.Learning() != (node.Learning{}) {
		t.Errorf("without learning: %+v, %+v", a, n.Learning())
	}
	q.Learn = true
	for range 2 {
		recall(t, n, q)
	}
	stop()
	n, _ = standing(t, dir, clockAt(2)) // it was written before the end, and read again
	want := map[string]record.Access{
		"a": {Activation: 1, Count: 6, LastAt: clockAt(2)()},
		"b": {Activation: 0.2 + 2*0.6*0.5*0.5, Count: 6, LastAt: clockAt(2)()},
		"c": {Activation: 0.2 + 2*0.6*0.5*0.5*0.5*0.9, Count: 6, LastAt: clockAt(2)()},
		"d": was,
	}
	for id, w := range want {
		a := accessOf(t, n, id)
		if math.Abs(float64(a.Activation-w.Activation)) > 1e-4 || a.Count != w.Count || !a.LastAt.Equal(w.LastAt) {
			t.Errorf("%s: %+v; want %+v", id, a, w)
		}
	}
	// b was reached twice and c behind it twice: the edge to b was used four times.
	for to, w := range map[string]float64{"b": 1 - 0.5*math.Pow(0.98, 4), "d": -0.5} {
		if got := weightOf(t, n, "a", to); math.Abs(got-w) > 1e-4 {
			t.Errorf("weight to %s: %v; want %v", to, got, w)
		}
	}
	if got, w := weightOf(t, n, "b", "c"), 1-0.1*0.98*0.98; math.Abs(got-w) > 1e-4 {
		t.Errorf("weight from b to c: %v; want %v", got, w)
	}
}

func TestGetCountsAnAccessOnlyWhenAsked(t *testing.T) {
	n, _ := standing(t, t.TempDir(), clockAt(1))
	was := record.Access{Activation: 0.5, Count: 1, LastAt: day0}
	remember(t, n, node.Memory{ID: "a", Content: "a", Access: was})
	accessOf(t, n, "a")
	n.WriteLessons(t.Context())
	if a := accessOf(t, n, "a"); a != was {
		t.Errorf("after a plain get: %+v", a)
	}
	if _, err := n.Get(t.Context(), "default", "a", node.AsAccess); err != nil {
		t.Fatal(err)
	}
	n.WriteLessons(t.Context())
	if diff := cmp.Diff(record.Access{Activation: 1, Count: 2, LastAt: clockAt(1)()}, accessOf(t, n, "a")); diff != "" {
		t.Errorf("after one that counts (-want +got):\n%s", diff)
	}
}

// TestLearningKeepsWhatPeopleWrote: between a recall and what it teaches, people delete, change and link.
func TestLearningKeepsWhatPeopleWrote(t *testing.T) {
	n, _ := standing(t, t.TempDir(), clockAt(1))
	ctx := t.Context()
	was := record.Access{Activation: 0.5, Count: 1, LastAt: day0}
	for _, id := range []string{"a", "gone", "patched", "linked", "inhibited"} {
		remember(t, n, node.Memory{ID: id, Content: id, Access: was})
	}
	for _, to := range []string{"gone", "patched", "linked", "inhibited"} {
		links(t, n, node.Edge{From: "a", To: to, Weight: weight(t, 0.9)})
	}
	if errs, err := n.EnableMaintenance("test", 0); err != nil {
		t.Fatal(errs, err)
	}
	recall(t, n, node.RecallQuery{Seeds: []node.Seed{{ID: "a", Activation: 1}}, Learn: true})
	n.WriteLessons(ctx)
	if l := n.Learning(); l.Waiting == 0 || l.Touched > 0 || l.Dropped > 0 {
		t.Errorf("in maintenance mode: %+v; want all of it waiting", l)
	}
	// What follows happens while the lessons wait. Nothing is written before maintenance mode ends, but for these.
	s, err := n.Store().Space("default")
	if err != nil {
		t.Fatal(err)
	}
	m := node.Memory{ID: "patched", Content: "after", CreatedAt: day0, UpdatedAt: day0}
	forgotten := []store.Change{{Kind: record.Delete, ID: "gone"}}
	if _, err := s.Apply(ctx, forgotten); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its place is given back", func() bool { return n.Stats().Spaces[0].Graph.Dead == 0 })
	thief := node.Memory{ID: "thief", Content: "another", CreatedAt: day0, UpdatedAt: day0}
	low := weight(t, 0.1)
	rs, err := s.Apply(ctx, []store.Change{
		{Kind: record.Put, ID: "patched", Value: record.AppendValue(nil, &m, 0)},
		{Kind: record.Link, ID: "a", ToID: "linked", Weight: low},
		{Kind: record.Link, ID: "a", ToID: "inhibited", Weight: -low},
		{Kind: record.Put, ID: "thief", Value: record.AppendValue(nil, &thief, 0)},
		{Kind: record.Link, ID: "a", ToID: "thief", Weight: low},
	})
	for _, r := range rs {
		if r.Err != nil || err != nil {
			t.Fatal(r.Err, err)
		}
	}
	if _, err := n.DisableMaintenance("test", false); err != nil {
		t.Fatal(err)
	}
	n.WriteLessons(ctx)
	if a := accessOf(t, n, "patched"); a.Count != 2 {
		t.Errorf("patched: %+v; want two accesses", a)
	}
	if a := accessOf(t, n, "thief"); a.Count != 0 {
		t.Errorf("a new memory got the accesses of the one whose place it took: %+v", a)
	}
	if w := weightOf(t, n, "a", "thief"); w != 0.1 {
		t.Errorf("its edge was strengthened for the one that was there before: %v", w)
	}
	if w := weightOf(t, n, "a", "linked"); w < 0.1 || w > 0.1+0.02 {
		t.Errorf("weight of a link that was set to 0.1: %v", w)
	}
	if w := weightOf(t, n, "a", "inhibited"); w != -0.1 {
		t.Errorf("weight of an edge that became inhibitory: %v", w)
	}
	if l := n.Learning(); l.Waiting != 0 || l.Dropped != 0 {
		t.Errorf("%+v", l)
	}
}

// TestStrengtheningBesideLinks: a weight that somebody set is never overwritten by one that was reckoned from the weight before.
func TestStrengtheningBesideLinks(t *testing.T) {
	n, _ := standing(t, t.TempDir(), time.Now)
	remember(t, n, node.Memory{ID: "a", Content: "a"}, node.Memory{ID: "b", Content: "b"})
	links(t, n, node.Edge{From: "a", To: "b", Weight: weight(t, 0.9)})
	stopped := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stopped:
				return
			default:
			}
			recall(t, n, node.RecallQuery{Seeds: []node.Seed{{ID: "a", Activation: 1}}, Learn: true})
			n.WriteLessons(t.Context())
		}
	})
	for i := range 100 {
		links(t, n, node.Edge{From: "a", To: "b", Weight: weight(t, 0.9)})
		links(t, n, node.Edge{From: "a", To: "b", Weight: weight(t, 0.001)})
		if w := weightOf(t, n, "a", "b"); w > 0.5 {
			t.Errorf("round %d: the weight is %v after it was set to 0.001", i, w)
			break
		}
	}
	close(stopped)
	wg.Wait()
}

func TestLearningIsBounded(t *testing.T) {
	n, _ := standing(t, t.TempDir(), clockAt(1))
	if _, err := n.EnableMaintenance("test", 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = n.DisableMaintenance("test", true) }()
	s, err := n.Store().Space("default")
	if err != nil {
		t.Fatal(err)
	}
	var changes []store.Change
	const memories = 10_000
	for i := range memories {
		m := node.Memory{ID: fmt.Sprint(i), CreatedAt: day0, UpdatedAt: day0}
		changes = append(changes, store.Change{Kind: record.Put, ID: m.ID, Value: record.AppendValue(nil, &m, 0)})
	}
	for part := range slices.Chunk(changes, 1000) {
		if _, err := s.Apply(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	var edges []store.Change
	for i := range memories {
		for k := range 10 {
			if to := (i + k*k*7 + 1) % memories; to != i {
				edges = append(edges, store.Change{Kind: record.Link, ID: fmt.Sprint(i), ToID: fmt.Sprint(to), Weight: record.WeightOne})
			}
		}
	}
	for part := range slices.Chunk(edges, 1000) {
		if _, err := s.Apply(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	for i := range memories {
		recall(t, n, node.RecallQuery{Seeds: []node.Seed{{ID: fmt.Sprint(i), Activation: 1}}, Learn: true, Limit: 20, Spread: spread.Options{Hops: 1}})
		if l := n.Learning(); l.Dropped > 0 {
			if l.Waiting != node.MaxLearning {
				t.Errorf("after %d recalls: %+v", i+1, l)
			}
			return
		}
	}
	t.Errorf("nothing was dropped: %+v", n.Learning())
}
