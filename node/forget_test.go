package node_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/google/go-cmp/cmp"
)

// listed returns the ids of all memories that pass keep.
func listed(t testing.TB, n *node.Node, f node.Filter) (ids []string) {
	t.Helper()
	keep, err := n.Keeping("default", f)
	if err != nil {
		t.Fatal(err)
	}
	ms, _, err := n.List(t.Context(), "default", 0, 10_000, keep, node.WithoutVector)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range ms {
		ids = append(ids, m.ID)
	}
	return ids
}

func TestDeleteWhere(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	animals(t, n)
	remember(t, n, node.Memory{ID: "gone", Content: "long ago", Tags: []string{"pet"}, ExpiresAt: time.UnixMilli(1)})
	ctx := t.Context()
	if diff := cmp.Diff([]string{"dog", "cat"}, listed(t, n, node.Filter{Tags: []string{"pet"}})); diff != "" {
		t.Errorf("pets before (-want +got):\n%s", diff)
	}
	for i, c := range []struct {
		filter  node.Filter
		limit   int
		deleted int
		more    bool
	}{
		{node.Filter{Tags: []string{"nothing"}}, 10, 0, false},
		{node.Filter{Tags: []string{"pet"}}, 1, 1, true},
		{node.Filter{Tags: []string{"pet"}}, 1, 1, false},
		{node.Filter{Tags: []string{"pet"}}, 1, 0, false},
		{node.Filter{CreatedAfter: time.UnixMilli(4000)}, 10, 2, false},
	} {
		deleted, more, err := n.DeleteWhere(ctx, "default", c.filter, c.limit)
		if deleted != c.deleted || more != c.more || err != nil {
			t.Errorf("%d: %d deleted, more %v, %v; want %+v", i, deleted, more, err, c)
		}
	}
	if diff := cmp.Diff([]string{"wolf"}, listed(t, n, node.Filter{})); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	for name, c := range map[string]struct {
		space  string
		filter node.Filter
		limit  int
		want   error
	}{
		"everything":       {"default", node.Filter{}, 10, node.ErrInvalid},
		"no limit":         {"default", node.Filter{Tags: []string{"pet"}}, 0, node.ErrInvalid},
		"a wrong filter":   {"default", node.Filter{MinConfidence: 2}, 10, node.ErrInvalid},
		"an unknown space": {"nowhere", node.Filter{Tags: []string{"pet"}}, 10, node.ErrNoSpace},
	} {
		if _, _, err := n.DeleteWhere(ctx, c.space, c.filter, c.limit); !errors.Is(err, c.want) {
			t.Errorf("%s: %v; want %v", name, err, c.want)
		}
	}
	if _, err := n.EnableMaintenance("test", 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.DeleteWhere(ctx, "default", node.Filter{Tags: []string{"animal"}}, 10); !errors.Is(err, node.ErrMaintenance) {
		t.Errorf("in maintenance mode: %v", err)
	}
}

// TestDeleteWhereBesidePatches: what is patched so that it does not pass any more stays if the patch came first, and everything that passes
// to the end goes, patched or not.
func TestDeleteWhereBesidePatches(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	const memories, patchers = 1800, 6
	var ms []node.Memory
	for i := range memories {
		ms = append(ms, node.Memory{ID: fmt.Sprint(i), Content: "x", Tags: []string{"go"}})
	}
	remember(t, n, ms...)
	var mu sync.Mutex
	stays := map[string]bool{}
	var wg sync.WaitGroup
	for p := range patchers {
		wg.Go(func() {
			for i := p; i < memories; i += patchers {
				id, patch := fmt.Sprint(i), text("still to go")
				if p%2 == 0 {
					patch = node.Patch{Tags: &[]string{"stay"}}
				}
				_, err := n.Patch(context.Background(), "default", id, 0, patch)
				if err != nil && !errors.Is(err, node.ErrNotFound) {
					t.Errorf("%s: %v", id, err)
				}
				mu.Lock()
				stays[id] = err == nil && p%2 == 0
				mu.Unlock()
			}
		})
	}
	deleted := 0
	for more := true; more; {
		k, again, err := n.DeleteWhere(t.Context(), "default", node.Filter{Tags: []string{"go"}}, 100)
		if err != nil {
			t.Fatal(err)
		}
		deleted, more = deleted+k, again
	}
	wg.Wait()
	left := map[string]bool{}
	for _, id := range listed(t, n, node.Filter{}) {
		left[id] = true
	}
	for id, stay := range stays {
		if left[id] != stay {
			t.Errorf("%s is there: %v; it was patched to stay: %v", id, left[id], stay)
		}
	}
	if deleted != memories-len(left) {
		t.Errorf("%d deleted, %d left of %d", deleted, len(left), memories)
	}
}

func TestEdges(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	animals(t, n)
	links(t, n, node.Edge{From: "moon", To: "wolf", Weight: weight(t, -0.25)})
	out, in, err := n.Edges(t.Context(), "default", "wolf")
	if diff := cmp.Diff([]string{"wolf>moon 1.00"}, edgeLines(out)); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"dog>wolf 0.80", "moon>wolf -0.25"}, edgeLines(in)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := n.Delete(t.Context(), "default", "moon", 0); err != nil {
		t.Fatal(err)
	}
	if out, in, err = n.Edges(t.Context(), "default", "wolf"); len(out) != 0 || len(in) != 1 || err != nil {
		t.Errorf("without the moon: %v, %v, %v", out, in, err)
	}
	if _, _, err := n.Edges(t.Context(), "default", "moon"); !errors.Is(err, node.ErrNotFound) {
		t.Errorf("of what is not there: %v", err)
	}
	if _, _, err := n.Edges(t.Context(), "nowhere", "moon"); !errors.Is(err, node.ErrNoSpace) {
		t.Errorf("of an unknown space: %v", err)
	}
}
