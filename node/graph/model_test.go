package graph_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// A model is a graph in plain maps: what the ops say, and nothing else.
type model struct {
	alive map[record.Ord]bool
	dead  map[record.Ord]bool
	edges map[record.Ord]map[record.Ord]record.Weight
}

func newModel() *model {
	return &model{alive: map[record.Ord]bool{}, dead: map[record.Ord]bool{}, edges: map[record.Ord]map[record.Ord]record.Weight{}}
}

func (m *model) clone() *model {
	c := &model{alive: maps.Clone(m.alive), dead: maps.Clone(m.dead), edges: map[record.Ord]map[record.Ord]record.Weight{}}
	for from, to := range m.edges {
		c.edges[from] = maps.Clone(to)
	}
	return c
}

func (m *model) apply(op record.Op) {
	switch op.Kind {
	case record.Put:
		if m.dead[op.Ord] && !m.alive[op.Ord] {
			m.wipe(op.Ord)
			delete(m.dead, op.Ord)
		}
		m.alive[op.Ord] = true
	case record.Delete:
		delete(m.alive, op.Ord)
		delete(m.edges, op.Ord)
		m.dead[op.Ord] = true
	case record.Free:
		delete(m.dead, op.Ord)
	case record.Link, record.Unlink, record.Strengthen:
		m.edge(op)
	}
}

func (m *model) edge(op record.Op) {
	_, there := m.edges[op.Ord][op.To]
	switch {
	case op.Kind == record.Unlink:
		delete(m.edges[op.Ord], op.To)
	case op.Ord == op.To || !op.Weight.Valid() || op.Kind == record.Strengthen && !there:
	default:
		if m.edges[op.Ord] == nil {
			m.edges[op.Ord] = map[record.Ord]record.Weight{}
		}
		m.edges[op.Ord][op.To] = op.Weight
	}
}

func (m *model) wipe(ord record.Ord) {
	delete(m.edges, ord)
	for _, to := range m.edges {
		delete(to, ord)
	}
}

// ranked returns the edges of a source as the graph is to return them.
func (m *model) ranked(from record.Ord) (lines []string) {
	to := slices.Collect(maps.Keys(m.edges[from]))
	slices.SortFunc(to, func(a, b record.Ord) int {
		wa, wb := m.edges[from][a].Float64(), m.edges[from][b].Float64()
		switch {
		case wa > wb || wa == wb && a < b:
			return -1
		default:
			return 1
		}
	})
	for _, t := range to {
		lines = append(lines, fmt.Sprintf("%d -> %d %d", from, t, m.edges[from][t]))
	}
	return lines
}

// places are the ordinals that tests use: in order, and scattered over chunks.
var places = func() (ords []record.Ord) {
	for i := range 256 {
		ords = append(ords, place(i))
	}
	slices.Sort(ords)
	return ords
}()

// place returns the ordinal number i of those.
func place(i int) record.Ord { return record.Ord(1 + i%50*8 + i/50*4093) }

// tell returns all that the model knows of the ordinals in use, a line each.
func (m *model) tell() (lines []string) {
	for _, ord := range places {
		if m.alive[ord] {
			lines = append(lines, fmt.Sprintf("%d", ord))
		}
		lines = append(lines, m.ranked(ord)...)
		if m.alive[ord] {
			for _, from := range places {
				if w, ok := m.edges[from][ord]; ok {
					lines = append(lines, fmt.Sprintf("%d <- %d %d", ord, from, w))
				}
			}
		}
	}
	return lines
}

// tell returns all that a snapshot knows of them, as model.tell does.
func tell(s *graph.Snapshot) (lines []string) {
	for _, ord := range places {
		if s.Alive(ord) {
			lines = append(lines, fmt.Sprintf("%d", ord))
		}
		for _, e := range s.Edges(ord) {
			lines = append(lines, fmt.Sprintf("%d -> %d %d", ord, e.To(), e.Weight()))
		}
		for from, w := range s.Incoming(ord) {
			lines = append(lines, fmt.Sprintf("%d <- %d %d", ord, from, w))
		}
	}
	return lines
}

func check(t *testing.T, what string, m *model, s *graph.Snapshot) {
	t.Helper()
	if diff := cmp.Diff(m.tell(), tell(s)); diff != "" {
		t.Fatalf("%s: the graph differs from the model (-model +graph):\n%s", what, diff)
	}
}

// counts compares what Stats says with the model.
func counts(t *testing.T, m *model, g *graph.Graph) {
	t.Helper()
	edges := 0
	for _, to := range m.edges {
		edges += len(to)
	}
	dead := 0
	for ord := range m.dead {
		if !m.alive[ord] {
			dead++
		}
	}
	got := g.Stats()
	if want := [3]int{len(m.alive), edges, dead}; want != [3]int{got.Memories, got.Edges, got.Dead} {
		t.Fatalf("stats are %+v; want memories, edges, dead %v", got, want)
	}
}

// A home is a space that carries out changes as the store does, without a disk.
type home struct {
	model *model
	graph *graph.Graph
	log   []record.Op
	fail  func(store.Change) error // an error that Apply returns
	more  map[record.Ord]bool      // alive, though the graph was not told
}

func newHome() *home {
	h := &home{model: newModel(), more: map[record.Ord]bool{}}
	h.graph = graph.New(h, graph.Options{})
	return h
}

func (h *home) Version(ord record.Ord) uint64 {
	if h.model.alive[ord] || h.more[ord] {
		return 1
	}
	return 0
}

func (h *home) Limit() record.Ord {
	limit := record.Ord(1)
	for ord := range h.model.alive {
		limit = max(limit, ord+1)
	}
	for ord := range h.more {
		limit = max(limit, ord+1)
	}
	return limit
}

func (h *home) Dead() []record.Ord { return slices.Sorted(maps.Keys(h.model.dead)) }

func (h *home) Apply(_ context.Context, changes []store.Change) ([]store.Result, error) {
	results := make([]store.Result, len(changes))
	var ops []record.Op
	for i, c := range changes {
		if h.fail != nil {
			if err := h.fail(c); err != nil {
				return nil, err
			}
		}
		if c.Kind == record.Free && !h.model.dead[c.Ord] {
			results[i].Err = fmt.Errorf("free %d: %w", c.Ord, store.ErrNotFound)
			continue
		}
		ops = append(ops, record.Op{Kind: c.Kind, Ord: c.Ord, To: c.To, Weight: c.Weight})
	}
	h.feed(ops...)
	return results, nil
}

// feed gives ops to model and graph.
func (h *home) feed(ops ...record.Op) {
	for _, op := range ops {
		h.model.apply(op)
	}
	h.log = append(h.log, ops...)
	h.graph.Apply(ops)
}

// load fills the graph with what the model has, sources in the given order.
func (h *home) load(order []record.Ord) {
	for _, ord := range order {
		if h.model.alive[ord] {
			h.graph.LoadValue(ord, nil)
		}
	}
	for _, from := range order {
		var edges []store.EdgeTo
		for _, to := range slices.Sorted(maps.Keys(h.model.edges[from])) {
			edges = append(edges, store.EdgeTo{To: to, Weight: h.model.edges[from][to]})
		}
		if len(edges) > 0 {
			h.graph.LoadEdges(from, edges)
		}
	}
}
