package node_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/consolidate"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A clock stands still until it is set.
type clock struct{ ns atomic.Int64 }

func newClock(at time.Time) *clock {
	c := &clock{}
	c.ns.Store(at.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// same is a memory of one content, remembered at a time.
func same(id string, seconds int) node.Memory {
	return node.Memory{ID: id, Content: "the same", Tags: []string{id}, CreatedAt: day0.Add(time.Duration(seconds) * time.Second)}
}

func contentsOf(t testing.TB, n *node.Node, ids ...string) (found []string) {
	t.Helper()
	for _, id := range ids {
		m, err := n.Get(t.Context(), "default", id)
		switch {
		case errors.Is(err, node.ErrNotFound):
			found = append(found, id+": none")
		case err != nil:
			t.Fatal(err)
		default:
			found = append(found, fmt.Sprintf("%s: %s %v", id, m.ID, m.Tags))
		}
	}
	return found
}

func TestConsolidateRemovesWhatExpired(t *testing.T) {
	now := newClock(day0)
	n, _ := standing(t, t.TempDir(), now.now)
	soon, later := day0.Add(time.Minute), day0.Add(time.Hour)
	remember(t, n, node.Memory{ID: "soon", Content: "a", ExpiresAt: soon}, node.Memory{ID: "later", Content: "b", ExpiresAt: later},
		node.Memory{ID: "never", Content: "c"}, same("x", 1), node.Memory{ID: "y", Content: "the same", CreatedAt: day0, ExpiresAt: soon})
	links(t, n, node.Edge{From: "never", To: "soon", Weight: weight(t, 1)}, node.Edge{From: "never", To: "later", Weight: weight(t, 1)})
	now.advance(2 * time.Minute)
	if r := consolidated(t, n); r.Expired != 2 || r.Looked != 5 || r.Merged != 0 {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff([]string{"later", "never", "x"}, listed(t, n, node.Filter{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	eventually(t, "dead edges are gone", func() bool { st := n.Stats().Spaces[0].Graph; return st.Dead == 0 && st.Edges == 1 })
}

func TestConsolidationLag(t *testing.T) {
	now := newClock(day0)
	dir := t.TempDir()
	n, stop := standing(t, dir, now.now)
	lag := func(want float64, when string) {
		t.Helper()
		if st := n.ConsolidationStats(); st.LagSeconds != want {
			t.Errorf("%s the lag is %v s; want %v", when, st.LagSeconds, want)
		}
	}
	now.advance(time.Second)
	lag(1, "a second after the start")
	consolidated(t, n)
	lag(0, "after a round")
	now.advance(time.Minute)
	lag(0, "where nothing changes")
	remember(t, n, same("new", 2), node.Memory{ID: "x", Content: "x", ExpiresAt: now.now().Add(time.Hour)})
	now.advance(2 * time.Second)
	remember(t, n, same("old", 1))
	now.advance(3 * time.Second)
	lag(5, "after writes")
	if _, err := n.EnableMaintenance("test", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Consolidate(t.Context(), "default"); !errors.Is(err, node.ErrMaintenance) {
		t.Errorf("in maintenance mode: %v", err)
	}
	lag(5, "after a round that was refused")
	if _, err := n.DisableMaintenance("test", false); err != nil {
		t.Fatal(err)
	}
	consolidated(t, n)
	now.advance(time.Second)
	lag(1, "after a round that wrote") // what it wrote is looked at again
	consolidated(t, n)
	lag(0, "after one more")
	now.advance(2 * time.Hour)
	lag(7267-3661, "after something expired")
	consolidated(t, n)
	consolidated(t, n)
	lag(0, "after it was removed")
	if st := n.ConsolidationStats(); st.Merged != 1 || st.Expired != 1 || st.Rounds != 5 || st.Failed != 0 || len(st.Last) != 1 {
		t.Errorf("%+v", st)
	}
	stop()
	n, _ = standing(t, dir, now.now)
	now.advance(time.Second)
	lag(1, "a second after the next start")
}

// TestRedirects: what becomes of an id whose memory was merged into another one.
func TestRedirects(t *testing.T) {
	for name, c := range map[string]struct {
		then func(t *testing.T, n *node.Node) // after new was merged into old
		soon []string
		late []string // after one more round
		want consolidate.Report
	}{
		"nothing more": {
			func(*testing.T, *node.Node) {}, []string{"old: old [old new]", "new: old [old new]"}, []string{"old: old [old new]", "new: old [old new]"},
			consolidate.Report{},
		},
		"old is deleted": {
			func(t *testing.T, n *node.Node) { forget(t, n, "old") }, []string{"old: none", "new: none"}, []string{"old: none", "new: none"},
			consolidate.Report{Dangling: 1},
		},
		"new is deleted": {
			func(t *testing.T, n *node.Node) { forget(t, n, "new") }, []string{"old: old [old new]", "new: none"}, []string{"old: old [old new]", "new: none"},
			consolidate.Report{},
		},
		"old is another memory now": {
			func(t *testing.T, n *node.Node) {
				forget(t, n, "old")
				remember(t, n, node.Memory{ID: "old", Content: "something else"})
			},
			[]string{"old: old []", "new: none"}, []string{"old: old []", "new: none"}, consolidate.Report{Dangling: 1},
		},
		"new is remembered anew": {
			func(t *testing.T, n *node.Node) {
				forget(t, n, "new")
				remember(t, n, same("new", 3))
			},
			[]string{"old: old [old new]", "new: new [new]"}, []string{"old: old [old new]", "new: old [old new]"}, consolidate.Report{Merged: 1},
		},
		"an older one comes": {
			func(t *testing.T, n *node.Node) { remember(t, n, same("oldest", 0)) },
			[]string{"old: old [old new]", "new: old [old new]", "oldest: oldest [oldest]"},
			[]string{"old: oldest [oldest old new]", "new: oldest [oldest old new]", "oldest: oldest [oldest old new]"},
			consolidate.Report{Merged: 1},
		},
		"an older one comes, and the one in between goes": {
			func(t *testing.T, n *node.Node) {
				remember(t, n, same("oldest", 0))
				consolidated(t, n)
				consolidated(t, n)
				forget(t, n, "old")
			},
			[]string{"old: none", "new: oldest [oldest old new]"}, []string{"old: none", "new: oldest [oldest old new]"}, consolidate.Report{},
		},
		"edges are set on new": {
			func(t *testing.T, n *node.Node) {
				remember(t, n, node.Memory{ID: "x", Content: "x"})
				links(t, n, node.Edge{From: "new", To: "x", Weight: weight(t, 0.5)}, node.Edge{From: "x", To: "new", Weight: weight(t, 0.25)})
			},
			[]string{"new: old [old new]"}, []string{"new: old [old new] old>x 0.50 x>old 0.25"}, consolidate.Report{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			n, _ := standing(t, t.TempDir(), clockAt(1))
			remember(t, n, same("new", 2), same("old", 1))
			if r := consolidated(t, n); r.Merged != 1 {
				t.Fatalf("%+v", r)
			}
			c.then(t, n)
			ids := func(lines []string) (ids []string) {
				for _, l := range lines {
					var id string
					_, _ = fmt.Sscanf(l, "%s", &id)
					ids = append(ids, id[:len(id)-1])
				}
				return ids
			}
			if diff := cmp.Diff(c.soon, contentsOf(t, n, ids(c.soon)...)); diff != "" {
				t.Errorf("at once (-want +got):\n%s", diff)
			}
			r := consolidated(t, n)
			only := cmpopts.IgnoreFields(consolidate.Report{}, "Began", "Took", "Looked", "Freed", "Compared")
			if diff := cmp.Diff(c.want, r, only); diff != "" {
				t.Errorf("the round (-want +got):\n%s", diff)
			}
			got := contentsOf(t, n, ids(c.late)...)
			for i, id := range ids(c.late) {
				out, in, err := n.Edges(t.Context(), "default", id)
				if err != nil && !errors.Is(err, node.ErrNotFound) {
					t.Error(err)
				}
				for _, l := range append(edgeLines(out), edgeLines(in)...) {
					got[i] += " " + l
				}
			}
			if diff := cmp.Diff(c.late, got); diff != "" {
				t.Errorf("after a round (-want +got):\n%s", diff)
			}
		})
	}
}

func forget(t testing.TB, n *node.Node, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := n.Delete(t.Context(), "default", id, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// TestConsolidateMany: many duplicates, one of which has many edges in both directions.
func TestConsolidateMany(t *testing.T) {
	n, _ := standing(t, t.TempDir(), clockAt(1))
	const duplicates, degree = 200, 1300
	var ms []node.Memory
	for i := range duplicates {
		m := same(fmt.Sprint("d", i), duplicates-i)
		m.Tags = nil
		ms = append(ms, m)
	}
	var edges []node.Edge
	var out, in []string
	last := fmt.Sprint("d", duplicates-1) // the oldest
	for i := range degree {
		id := fmt.Sprint("x", i)
		ms = append(ms, node.Memory{ID: id, Content: id})
		edges = append(edges, node.Edge{From: "d0", To: id, Weight: weight(t, 0.5)}, node.Edge{From: id, To: "d7", Weight: weight(t, 0.25)})
		out, in = append(out, last+">"+id+" 0.50"), append(in, id+">"+last+" 0.25")
	}
	remember(t, n, ms[:700]...)
	remember(t, n, ms[700:]...)
	for part := range slices.Chunk(edges, 1000) {
		links(t, n, part...)
	}
	if r := consolidated(t, n); r.Merged != duplicates-1 || r.Relinked != 2*degree {
		t.Errorf("%+v", r)
	}
	gotOut, gotIn, err := n.Edges(t.Context(), "default", "d3")
	slices.Sort(out)
	slices.Sort(in)
	if !slices.Equal(edgeLines(gotOut), out) || !slices.Equal(edgeLines(gotIn), in) || err != nil {
		t.Errorf("%d edges out, %d in, %v; want %d each", len(gotOut), len(gotIn), err, degree)
	}
}

func TestConsolidateTellsWhatIsNear(t *testing.T) {
	n, _ := standing(t, t.TempDir(), clockAt(1))
	at := func(id string, seconds int, v ...float32) node.Memory {
		m := same(id, seconds)
		m.Content, m.Vector = id, v
		return m
	}
	remember(t, n, at("a", 5, 1, 0), at("b", 4, 0.99, 0.01), at("c", 3, 0, 1), at("zeros", 2, 0, 0), at("d", 1, 0.1, 1), node.Memory{ID: "e", Content: "e"})
	r := consolidated(t, n)
	want := []consolidate.Near{{ID: "b", Other: "a", Similarity: 0.99995}, {ID: "d", Other: "c", Similarity: 0.99504}}
	if diff := cmp.Diff(want, r.Near, cmpopts.EquateApprox(0, 1e-4)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	consolidated(t, n)
	if diff := cmp.Diff(r.Near, n.ConsolidationStats().Near["default"]); diff != "" {
		t.Errorf("the statistics (-want +got):\n%s", diff)
	}
	forget(t, n, "a")
	consolidated(t, n)
	if diff := cmp.Diff(r.Near[1:], n.ConsolidationStats().Near["default"]); diff != "" {
		t.Errorf("the statistics without a (-want +got):\n%s", diff)
	}
}

// TestConsolidateComparesAPartAtATime: rounds that may compare little only find in many what one finds that may compare much.
func TestConsolidateComparesAPartAtATime(t *testing.T) {
	n, _ := standing(t, t.TempDir(), clockAt(1))
	rng := rand.New(rand.NewPCG(1, 1))
	var ms []node.Memory
	for i := range 40 {
		ms = append(ms, node.Memory{ID: fmt.Sprint(i), Content: fmt.Sprint(i), Vector: []float32{rng.Float32(), rng.Float32()}})
	}
	remember(t, n, ms...)
	want := consolidated(t, n).Near
	if len(want) < 20 {
		t.Fatalf("only %d are near", len(want))
	}
	s, err := n.Store().Space("default")
	if err != nil {
		t.Fatal(err)
	}
	remember(t, n, node.Memory{ID: "last", Content: "last", Vector: []float32{-1, -1}})
	var got []consolidate.Near
	rounds := 0
	for changesOf(s).Due() {
		r, err := roundOf(t, n, consolidate.Options{OnlyDue: true, NearCompares: 100}, asItWas)
		if err != nil {
			t.Fatal(err)
		}
		if rounds++; rounds == 1 != (r.Looked == 41) {
			t.Errorf("round %d looked at %d", rounds, r.Looked)
		}
		got = append(got, r.Near...)
	}
	if diff := cmp.Diff(want, got); diff != "" || rounds != 14 {
		t.Errorf("after %d rounds (-want +got):\n%s", rounds, diff)
	}
}

// TestConsolidateInTheBackground: Run does it by itself.
func TestConsolidateInTheBackground(t *testing.T) {
	o := small(t.TempDir())
	o.ConsolidateEvery = 5 * time.Millisecond
	n, _ := running(t, o)
	remember(t, n, same("new", 2), same("old", 1))
	eventually(t, "duplicates are merged", func() bool { return n.ConsolidationStats().Merged == 1 })
	eventually(t, "nothing is left to do", func() bool { return n.ConsolidationStats().LagSeconds == 0 })
}
