package graph_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/wal"
)

// A spaceWithDead is a space of a store, with what is dead from the test.
type spaceWithDead struct {
	*store.Space
	dead []record.Ord
}

func (s spaceWithDead) Dead() []record.Ord { return s.dead }

// A life is a store with a graph, from open to close.
type life struct {
	*testing.T
	space *store.Space
	graph *graph.Graph
	end   func()
}

func live(t *testing.T, dir string, dead ...record.Ord) *life {
	t.Helper()
	fsys, err := disk.NewOS(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := &life{T: t}
	st, err := store.Open(store.Options{
		FS: fsys, WAL: wal.Options{SegmentBytes: 64 << 10}, MapBytes: 1 << 24,
		Views: func(s *store.Space, _ string) ([]store.View, error) {
			l.space, l.graph = s, graph.New(spaceWithDead{s, dead}, graph.Options{})
			return []store.View{l.graph}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- st.Run(ctx) }()
	if l.space == nil {
		if _, err := st.Create("default", 0); err != nil {
			t.Fatal(err)
		}
	}
	l.end = func() {
		cancel()
		if err := errors.Join(<-done, st.Close(), fsys.Close()); err != nil {
			t.Error(err)
		}
	}
	return l
}

func (l *life) do(changes ...store.Change) []store.Result {
	l.Helper()
	results, err := l.space.Apply(l.Context(), changes)
	if err != nil {
		l.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			l.Fatal(r.Err)
		}
	}
	return results
}

func (l *life) remember(id string) record.Ord {
	l.Helper()
	m := record.Memory{ID: id}
	return l.do(store.Change{Kind: record.Put, ID: id, Value: record.AppendValue(nil, &m, 0)})[0].Ord
}

func (l *life) link(from, to string) {
	l.Helper()
	l.do(store.Change{Kind: record.Link, ID: from, ToID: to, Weight: 9})
}

// show returns the edges by the ids of their ends.
func (l *life) show() (lines []string) {
	s := l.graph.Snapshot()
	for ord := record.Ord(1); ord < l.space.Limit(); ord++ {
		for _, e := range s.Edges(ord) {
			from, _ := l.space.RecordID(ord)
			to, ok := l.space.RecordID(e.To())
			if s.Alive(e.To()) != ok {
				l.Errorf("%d is alive in the graph or in the space, not both", e.To())
			}
			lines = append(lines, fmt.Sprintf("%s %s", from, to))
		}
	}
	return lines
}

func (l *life) want(lines ...string) {
	l.Helper()
	if diff := cmp.Diff(lines, l.show()); diff != "" {
		l.Fatalf("edges (-want +got):\n%s", diff)
	}
}

func (l *life) sweep(want int) {
	l.Helper()
	if freed, err := l.graph.Sweep(l.Context()); err != nil || freed != want {
		l.Fatalf("swept %d, %v; want %d", freed, err, want)
	}
}

// Over a real store: an ordinal that is used again has no edge of the memory before, in this life or the next.
func TestOrdinalsAreReusedWithoutEdges(t *testing.T) {
	for name, crash := range map[string]string{
		"in one life":                  "",
		"restart before the sweep":     "before",
		"restart after the sweep":      "after",
		"restart before and after it":  "before after",
		"restart when the ord is used": "used",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := live(t, dir)
			defer func() { l.end() }()
			restart := func(at string, dead ...record.Ord) {
				if crash == at || crash == "before after" && at != "used" {
					l.end()
					l = live(t, dir, dead...)
				}
			}
			old := l.remember("old")
			l.remember("a")
			l.remember("b")
			l.link("a", "old")
			l.link("old", "b")
			l.link("b", "old")
			l.link("a", "b")
			l.do(store.Change{Kind: record.Delete, ID: "old"})
			restart("before", old)
			l.want("a ", "a b", "b ") // two dead ends
			l.sweep(1)
			l.want("a b")
			restart("after")
			l.want("a b")
			if now := l.remember("new"); now != old {
				t.Fatalf("the next memory got ordinal %d; %d is free", now, old)
			}
			l.want("a b")
			l.link("new", "a")
			restart("used")
			l.want("new a", "a b")
		})
	}
}
