package node_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/consolidate"
	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/tier"
	"github.com/engramd/engramd/node/vector"
	"github.com/google/go-cmp/cmp"
)

// roundWith does a round of the default space in which apply stands between the round and the store.
func roundWith(t testing.TB, n *node.Node, apply func(do func() ([]store.Result, error)) ([]store.Result, error)) (consolidate.Report, error) {
	t.Helper()
	return roundOf(t, n, consolidate.Options{}, apply)
}

func roundOf(t testing.TB, n *node.Node, o consolidate.Options, apply func(do func() ([]store.Result, error)) ([]store.Result, error)) (consolidate.Report, error) {
	t.Helper()
	s, err := n.Store().Space("default")
	if err != nil {
		t.Fatal(err)
	}
	of := consolidate.Space{Store: s}
	for _, v := range s.Views() {
		switch v := v.(type) {
		case *graph.Graph:
			of.Graph = v
		case *tier.View:
			of.Tiers = v
		case *vector.View:
			of.Vectors = v
		case *consolidate.View:
			of.Changes = v
		}
	}
	o.Linking, o.Now = &sync.Mutex{}, clockAt(1)
	o.Apply = func(ctx context.Context, changes []store.Change) ([]store.Result, error) {
		return apply(func() ([]store.Result, error) { return s.Apply(ctx, changes) })
	}
	return consolidate.Run(t.Context(), of, o)
}

func changesOf(s *store.Space) *consolidate.View {
	for _, v := range s.Views() {
		if v, ok := v.(*consolidate.View); ok {
			return v
		}
	}
	return nil
}

// duplicated returns a node with two duplicates, a third one that is a redirect with edges already, and what surrounds them.
func duplicated(t *testing.T) *node.Node {
	n, _ := standing(t, t.TempDir(), clockAt(1))
	remember(t, n, same("older", 2), same("old", 1))
	consolidated(t, n)
	remember(t, n, same("new", 3), node.Memory{ID: "x", Content: "x"}, node.Memory{ID: "y", Content: "y"}, node.Memory{ID: "z", Content: "z"})
	leftBehind(t, n, node.Edge{From: "older", To: "z", Weight: weight(t, 0.75)})
	links(t, n, node.Edge{From: "new", To: "x", Weight: weight(t, 0.5)}, node.Edge{From: "y", To: "new", Weight: weight(t, 0.25)})
	return n
}

// leftBehind sets an edge where it is told, as a merge that was cut short leaves edges at a redirect.
func leftBehind(t *testing.T, n *node.Node, e node.Edge) {
	t.Helper()
	s, err := n.Store().Space("default")
	if err != nil {
		t.Fatal(err)
	}
	rs, err := s.Apply(t.Context(), []store.Change{{Kind: record.Link, ID: e.From, ToID: e.To, Weight: e.Weight}})
	if err != nil || rs[0].Err != nil {
		t.Fatal(rs, err)
	}
}

var asItWas = func(do func() ([]store.Result, error)) ([]store.Result, error) { return do() }

// world tells all that people can see.
func world(t testing.TB, n *node.Node) []string {
	t.Helper()
	ids := []string{"old", "older", "new", "x", "y", "z"}
	lines := contentsOf(t, n, ids...)
	for i, id := range ids {
		out, in, err := n.Edges(t.Context(), "default", id)
		if err != nil && !errors.Is(err, node.ErrNotFound) {
			t.Fatal(err)
		}
		lines[i] += fmt.Sprint(edgeLines(out), edgeLines(in))
	}
	return lines
}

// applies returns how many writes a round of duplicated makes.
func applies(t *testing.T) (writes int, after []string) {
	n := duplicated(t)
	_, err := roundWith(t, n, func(do func() ([]store.Result, error)) ([]store.Result, error) {
		writes++
		return do()
	})
	if err != nil || writes < 3 {
		t.Fatalf("%d writes, %v", writes, err)
	}
	after = world(t, n)
	want := []string{
		"old: old [old older new][old>x 0.50 old>z 0.75] [y>old 0.25]", "older: old [old older new][old>x 0.50 old>z 0.75] [y>old 0.25]",
		"new: old [old older new][old>x 0.50 old>z 0.75] [y>old 0.25]", "x: x [][] [old>x 0.50]", "y: y [][y>old 0.25] []", "z: z [][] [old>z 0.75]",
	}
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("after a round (-want +got):\n%s", diff)
	}
	return writes, after
}

// TestConsolidateCutAnywhere: a round that ends at any of its writes, before or after it took place, leaves nothing lost, and the next one
// ends where it would have.
func TestConsolidateCutAnywhere(t *testing.T) {
	writes, want := applies(t)
	cut := errors.New("cut")
	for at := range writes {
		for _, done := range []bool{false, true} {
			n := duplicated(t)
			k := 0
			_, err := roundWith(t, n, func(do func() ([]store.Result, error)) ([]store.Result, error) {
				k++
				switch {
				case k <= at:
					return do()
				case k == at+1 && done:
					if _, err := do(); err != nil {
						t.Error(err)
					}
				}
				return nil, cut
			})
			if !errors.Is(err, cut) {
				t.Fatalf("cut at %d: %v", at, err)
			}
			if s, err := n.Store().Space("default"); err != nil || !changesOf(s).Due() {
				t.Errorf("cut at %d, %v: nothing is due; %v", at, done, err)
			}
			for _, id := range []string{"old", "older", "new"} {
				if m, err := n.Get(t.Context(), "default", id); err != nil || m.Content != "the same" {
					t.Errorf("cut at %d, %v: %s is %q, %v", at, done, id, m.Content, err)
				}
			}
			if r, err := roundWith(t, n, asItWas); err != nil {
				t.Fatalf("%+v, %v", r, err)
			}
			if diff := cmp.Diff(want, world(t, n)); diff != "" {
				t.Errorf("cut at %d, %v, and done again (-want +got):\n%s", at, done, diff)
			}
		}
	}
}

// TestConsolidateBesideAnything: whatever people do between a look of the round and what it does upon it, their word stands.
func TestConsolidateBesideAnything(t *testing.T) {
	writes, _ := applies(t)
	patched := func(t *testing.T, n *node.Node, id string) {
		if _, err := n.Patch(t.Context(), "default", id, 0, text("changed")); err != nil {
			t.Error(err)
		}
	}
	content := func(t *testing.T, n *node.Node, id string) string {
		m, err := n.Get(t.Context(), "default", id)
		if err != nil && !errors.Is(err, node.ErrNotFound) {
			t.Error(err)
		}
		return m.Content
	}
	for name, c := range map[string]struct {
		do   func(t *testing.T, n *node.Node)
		good func(merged bool, old, new string) bool
	}{
		"patch old": {
			func(t *testing.T, n *node.Node) { patched(t, n, "old") },
			func(merged bool, old, new string) bool { return old == "changed" && (new == "the same") != merged },
		},
		"patch new": {
			func(t *testing.T, n *node.Node) { patched(t, n, "new") },
			func(merged bool, old, new string) bool { return new == "changed" && (old == "the same") != merged },
		},
		"patch both": {
			func(t *testing.T, n *node.Node) { patched(t, n, "old"); patched(t, n, "new") },
			func(_ bool, old, new string) bool { return old == "changed" && new == "changed" },
		},
		"delete old": {
			func(t *testing.T, n *node.Node) { forget(t, n, "old") },
			func(merged bool, old, new string) bool { return old == "" && (new == "the same") != merged },
		},
		"delete new": {
			func(t *testing.T, n *node.Node) { forget(t, n, "new") },
			func(_ bool, old, new string) bool { return old == "the same" && new == "" },
		},
		"old is another one": {
			func(t *testing.T, n *node.Node) {
				forget(t, n, "old")
				remember(t, n, node.Memory{ID: "old", Content: "changed"})
			},
			func(merged bool, old, new string) bool { return old == "changed" && (new == "the same") != merged },
		},
		"new is remembered anew": {
			func(t *testing.T, n *node.Node) {
				forget(t, n, "new")
				remember(t, n, same("new", 4))
			},
			func(_ bool, old, new string) bool { return old == "the same" && new == "the same" },
		},
		"x is deleted": {
			func(t *testing.T, n *node.Node) { forget(t, n, "x") },
			func(_ bool, old, new string) bool { return old == "the same" && new == "the same" },
		},
		"z and y are patched": {
			func(t *testing.T, n *node.Node) { patched(t, n, "y"); patched(t, n, "z") },
			func(_ bool, old, new string) bool { return old == "the same" && new == "the same" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			for at := range writes {
				n := duplicated(t)
				merged := false
				k := 0
				_, err := roundWith(t, n, func(do func() ([]store.Result, error)) ([]store.Result, error) {
					if k++; k == at+1 {
						m, err := n.Get(t.Context(), "default", "new")
						if err != nil {
							t.Error(err)
						}
						merged = m.ID == "old"
						c.do(t, n)
					}
					return do()
				})
				for range 2 {
					if _, again := roundWith(t, n, asItWas); again != nil || err != nil {
						t.Fatalf("at %d: %v, %v", at, err, again)
					}
				}
				if merged := content(t, n, "old") == content(t, n, "new"); !merged && name == "patch new" {
					if diff := cmp.Diff("old: old [old older][old>z 0.75] []", world(t, n)[0]); diff != "" {
						t.Errorf("at %d something of new came without it (-want +got):\n%s", at, diff)
					}
				}
				if was, is := content(t, n, "old"), content(t, n, "new"); !c.good(merged, was, is) {
					t.Errorf("at %d, merged %v: old is %q, new is %q", at, merged, was, is)
				}
				if r, err := roundWith(t, n, asItWas); err != nil || r.Merged+r.Dangling+r.Relinked != 0 {
					t.Errorf("at %d there is no end: %+v, %v", at, r, err)
				}
			}
		})
	}
}

// TestConsolidateKeepsEdgesBesideChanges: an edge of a duplicate is moved even if the memory at its other end changes meanwhile.
func TestConsolidateKeepsEdgesBesideChanges(t *testing.T) {
	writes, _ := applies(t)
	for at := range writes {
		n := duplicated(t)
		k := 0
		_, err := roundWith(t, n, func(do func() ([]store.Result, error)) ([]store.Result, error) {
			if k++; k == at+1 {
				for _, id := range []string{"x", "y", "z"} {
					if _, err := n.Patch(t.Context(), "default", id, 0, text("changed "+id)); err != nil {
						t.Error(err)
					}
				}
			}
			return do()
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := roundWith(t, n, asItWas); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("old: old [old older new][old>x 0.50 old>z 0.75] [y>old 0.25]", world(t, n)[0]); diff != "" {
			t.Errorf("at %d (-want +got):\n%s", at, diff)
		}
	}
}

// TestConsolidateSparesWhatIsRememberedAnew: an id whose memory has expired may be taken while the round is about to remove it.
func TestConsolidateSparesWhatIsRememberedAnew(t *testing.T) {
	n, _ := standing(t, t.TempDir(), clockAt(1))
	remember(t, n, node.Memory{ID: "a", Content: "before", CreatedAt: day0, ExpiresAt: day0})
	r, err := roundWith(t, n, func(do func() ([]store.Result, error)) ([]store.Result, error) {
		remember(t, n, node.Memory{ID: "a", Content: "after"})
		return do()
	})
	if m, gone := n.Get(t.Context(), "default", "a"); m.Content != "after" || gone != nil || err != nil || r.Expired != 0 {
		t.Errorf("%q, %v; %+v, %v", m.Content, gone, r, err)
	}
}
