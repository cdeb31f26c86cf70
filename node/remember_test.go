package node_test

import (
	"errors"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
	"github.com/google/go-cmp/cmp"
)

func TestWhatIsRememberedOverWhatExpiredIsNew(t *testing.T) {
	now := newClock(day0)
	n, _ := standing(t, t.TempDir(), now.now)
	remember(t, n, node.Memory{ID: "other", Content: "o"}, node.Memory{
		ID: "brief", Content: "x", ExpiresAt: day0.Add(time.Minute), Vector: []float32{1, 0},
		Access: record.Access{Activation: 0.25, Count: 7, LastAt: day0},
	})
	links(t, n, node.Edge{From: "brief", To: "other", Weight: weight(t, 0.5)}, node.Edge{From: "other", To: "brief", Weight: weight(t, 0.5)})
	now.advance(time.Hour)
	rs, err := n.RememberAll(t.Context(), "default", []node.Memory{{ID: "brief", Content: "y"}})
	if err != nil || rs[0].Err != nil || !rs[0].Created {
		t.Fatalf("%+v, %v", rs, err)
	}
	m, err := n.Get(t.Context(), "default", "brief")
	if err != nil || m.Version != rs[0].Version || m.Content != "y" || len(m.Vector) > 0 {
		t.Errorf("%+v, %v", m, err)
	}
	if a := m.Access; a.Activation != 1 || a.Count != 0 || !a.LastAt.Equal(now.now()) {
		t.Errorf("it has the accesses of the one before: %+v", a)
	}
	if out, in, err := n.Edges(t.Context(), "default", "brief"); err != nil || len(out)+len(in) > 0 {
		t.Errorf("it has the edges of the one before: %v %v, %v", out, in, err)
	}
}

func TestARefusedVectorFixesNoDimension(t *testing.T) {
	n, _ := standing(t, t.TempDir(), newClock(day0).now)
	remember(t, n, node.Memory{ID: "a", Content: "x"})
	if _, err := n.Remember(t.Context(), "default", node.Memory{ID: "a", Content: "y", Vector: []float32{1, 2, 3}}); !errors.Is(err, node.ErrConflict) {
		t.Fatal(err)
	}
	remember(t, n, node.Memory{ID: "b", Content: "y", Vector: []float32{1, 2}})
}

// TestEdgesOfARedirect sets and removes edges by an id that was merged into another one.
func TestEdgesOfARedirect(t *testing.T) {
	n, _ := standing(t, t.TempDir(), newClock(day0.Add(time.Hour)).now)
	remember(t, n, same("keeper", 0), same("merged", 1), node.Memory{ID: "x", Content: "x"}, node.Memory{ID: "y", Content: "y"})
	links(t, n, node.Edge{From: "merged", To: "x", Weight: weight(t, 0.5)})
	if r := consolidated(t, n); r.Merged != 1 {
		t.Fatalf("%+v", r)
	}
	seen := func(id string, want ...node.Edge) {
		t.Helper()
		for range 2 { // what consolidation does then changes nothing
			out, in, err := n.Edges(t.Context(), "default", id)
			if diff := cmp.Diff(want, append(out, in...)); diff != "" || err != nil {
				t.Error(err, diff)
			}
			consolidated(t, n)
		}
	}
	links(t, n, node.Edge{From: "merged", To: "x", Weight: weight(t, 0.25)}, node.Edge{From: "y", To: "merged", Weight: weight(t, 0.75)})
	seen("merged", node.Edge{From: "keeper", To: "x", Weight: weight(t, 0.25)}, node.Edge{From: "y", To: "keeper", Weight: weight(t, 0.75)})
	errs, err := n.Unlink(t.Context(), "default", []node.Edge{{From: "merged", To: "x"}, {From: "y", To: "merged"}})
	if err = errors.Join(append(errs, err)...); err != nil || len(errs) != 2 {
		t.Fatal(errs, err)
	}
	seen("keeper")
	if errs, err = n.Link(t.Context(), "default", []node.Edge{{From: "merged", To: "keeper", Weight: weight(t, 1)}}); err != nil || !errors.Is(errs[0], node.ErrInvalid) {
		t.Errorf("an edge to itself: %v, %v", errs, err)
	}
}
