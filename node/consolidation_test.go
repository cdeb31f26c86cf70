package node_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/consolidate"
	"github.com/engramd/engramd/node/record"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// consolidated does one round, or ends the test.
func consolidated(t testing.TB, n *node.Node) consolidate.Report {
	t.Helper()
	r, err := n.Consolidate(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func edgeLines(edges []node.Edge) (lines []string) {
	for _, e := range edges {
		w := e.Weight.Float64()
		if e.Weight.Inhibitory() {
			w = -w
		}
		lines = append(lines, fmt.Sprintf("%s>%s %.2f", e.From, e.To, w))
	}
	slices.Sort(lines)
	return lines
}

func TestConsolidateMergesExactDuplicates(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	ctx := t.Context()
	at := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
	remember(t, n,
		node.Memory{ID: "new", Content: "same", Tags: []string{"b", "c"}, CreatedAt: at(9), Confidence: 0.9, Vector: []float32{1, 2},
			Access: record.Access{Activation: 0.5, Count: 3, LastAt: at(10)}},
		node.Memory{ID: "old", Content: "same", Tags: []string{"a", "b"}, CreatedAt: at(5), Confidence: 0.4, ExpiresAt: at(1 << 45)},
		node.Memory{ID: "other-type", Content: "same", Type: record.Semantic, CreatedAt: at(6)},
		node.Memory{ID: "other-vector", Content: "same", CreatedAt: at(10), Vector: []float32{7, 7}},
		node.Memory{ID: "other-metadata", Content: "same", CreatedAt: at(8), Metadata: json.RawMessage(`{"k":2}`)},
		node.Memory{ID: "x", Content: "x"}, node.Memory{ID: "y", Content: "y"}, node.Memory{ID: "z", Content: "z"},
		node.Memory{ID: "nothing-1", CreatedAt: at(1)}, node.Memory{ID: "nothing-2", CreatedAt: at(1)},
	)
	links(t, n,
		node.Edge{From: "old", To: "x", Weight: weight(t, 0.5)}, node.Edge{From: "new", To: "x", Weight: weight(t, 0.9)},
		node.Edge{From: "old", To: "y", Weight: weight(t, 0.5)}, node.Edge{From: "new", To: "y", Weight: weight(t, 0.2)},
		node.Edge{From: "new", To: "z", Weight: weight(t, -0.3)}, node.Edge{From: "z", To: "new", Weight: weight(t, 0.7)},
		node.Edge{From: "new", To: "old", Weight: weight(t, 1)}, node.Edge{From: "old", To: "new", Weight: weight(t, 1)},
		node.Edge{From: "old", To: "z", Weight: weight(t, 0.3)},
	)
	r := consolidated(t, n)
	if r.Looked != 10 || r.Merged != 1 || r.Damaged != 0 || r.Expired != 0 || r.Relinked != 6 {
		t.Errorf("%+v", r)
	}
	want := node.Memory{
		ID: "old", Content: "same", Tags: []string{"a", "b", "c"}, Confidence: 0.9, Vector: []float32{1, 2},
		CreatedAt: at(5), UpdatedAt: at(9), Access: record.Access{Activation: 1, Count: 3, LastAt: at(10)},
	}
	for _, id := range []string{"old", "new"} {
		m, err := n.Get(ctx, "default", id)
		if diff := cmp.Diff(want, m, cmpopts.IgnoreFields(node.Memory{}, "Version"), cmpopts.EquateApprox(0, 1e-6)); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", id, err, diff)
		}
		out, in, err := n.Edges(ctx, "default", id)
		if diff := cmp.Diff([]string{"old>x 0.90", "old>y 0.50", "old>z 0.30"}, edgeLines(out)); err != nil || diff != "" {
			t.Errorf("edges of %s: %v (-want +got):\n%s", id, err, diff)
		}
		if diff := cmp.Diff([]string{"z>old 0.70"}, edgeLines(in)); diff != "" {
			t.Errorf("edges to %s (-want +got):\n%s", id, diff)
		}
	}
	ms, _, err := n.List(ctx, "default", 0, 100, nil)
	var ids []string
	for _, m := range ms {
		ids = append(ids, m.ID)
	}
	if slices.Contains(ids, "new") || len(ids) != 9 || err != nil {
		t.Errorf("listed: %v, %v", ids, err)
	}
	if r := consolidated(t, n); r.Merged+r.Relinked+r.Dangling+r.Expired != 0 {
		t.Errorf("once more: %+v", r)
	}
	if r, err := n.Remember(ctx, "default", node.Memory{ID: "new", Content: "same", Tags: []string{"b"}, CreatedAt: at(9)}); err != nil || r.Created {
		t.Errorf("the same again: %+v, %v", r, err)
	}
	if _, err := n.Remember(ctx, "default", node.Memory{ID: "new", Content: "else"}); !errors.Is(err, node.ErrConflict) {
		t.Errorf("something else under the id: %v", err)
	}
}
