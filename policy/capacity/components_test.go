package capacity_test

import (
	"errors"
	"math"
	"testing"

	"github.com/engramd/engramd/policy/capacity"
)

var parts = capacity.DefaultComponents()

// By hand: 1e6 × (768 × 4 × 1.5 + 1000 × 1.5) = 1e6 × 6108 a copy, × 2 = 12,216,000,000. A node of 4e9 holds 3.2e9: 3.8, so 4 nodes,
// and the guide's 4 shards fit. On three nodes (8e9 each) 4 shards become 6.
func TestVectorStore(t *testing.T) {
	v := capacity.Vectors{Count: 1e6, Dimension: 768, PayloadBytes: 1000, Copies: 2, NodeMemoryBytes: 4e9, Shards: 4}
	got, err := parts.VectorStore(v)
	want := capacity.VectorStore{CopyBytes: 6_108_000_000, TotalBytes: 12_216_000_000, Nodes: 4, Shards: 4, NodeBytes: 3_054_000_000}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	v.NodeMemoryBytes = 8e9
	if got, err := parts.VectorStore(v); err != nil || got.Nodes != 3 || got.Shards != 6 {
		t.Errorf("got %+v, %v, want 6 shards on 3 nodes", got, err)
	}
	v.Copies = 5
	if got, err := parts.VectorStore(v); err != nil || got.Nodes != 5 || got.Shards%5 != 0 {
		t.Errorf("got %+v, %v, want a node for each of five copies", got, err)
	}
}

// 1e6 × (28 + 100 + 72) × 1.3 = 260,000,000; three copies.
func TestDatabase(t *testing.T) {
	got, err := parts.Database(capacity.Tables{Rows: 1e6, ColumnBytes: 100, IndexBytes: 72, Copies: 3})
	if want := (capacity.Database{CopyBytes: 260_000_000, TotalBytes: 780_000_000}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// 1e6 × (80 + 20 + 110) = 210,000,000 on 3 primaries: 70,000,000 each, in a limit of 100,000,000; with a replica each 420,000,000.
func TestCache(t *testing.T) {
	got, err := parts.Cache(capacity.Keys{Count: 1e6, KeyBytes: 20, ValueBytes: 110, Replicas: 1, Primaries: 3})
	if want := (capacity.Cache{TotalBytes: 420_000_000, MaxMemory: 70_000_000, Limit: 100_000_000, Servers: 6}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// 100 × 0.02 + 50 × 0.012 = 2.6 cores busy, / 0.65 = 4; 1000 × 30 memories.
func TestDemand(t *testing.T) {
	got, err := parts.Demand(capacity.Load{MemoriesPerDay: 1000, KeptDays: 30, Queries: 100, QuerySeconds: 0.02, Writes: 50, WriteSeconds: 0.012})
	if err != nil || got.Memories != 30_000 || math.Abs(got.Busy-2.6) > 1e-9 || math.Abs(got.Cores-4) > 1e-9 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestImpossibleComponentsAreRefused(t *testing.T) {
	fails := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, capacity.ErrImpossible) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err := parts.VectorStore(capacity.Vectors{Count: 1, Dimension: 1, Copies: 0, NodeMemoryBytes: 1})
	fails("no copy", err)
	_, err = parts.VectorStore(capacity.Vectors{Count: 1, Dimension: 1, Copies: 1})
	fails("no memory", err)
	_, err = parts.VectorStore(capacity.Vectors{Count: 1e30, Dimension: 1e30, Copies: 1, NodeMemoryBytes: 1})
	fails("overflow", err)
	_, err = parts.Database(capacity.Tables{Rows: -1, Copies: 1})
	fails("negative rows", err)
	_, err = parts.Cache(capacity.Keys{Count: 1, Primaries: 0})
	fails("no primary", err)
	_, err = parts.Demand(capacity.Load{Queries: math.NaN()})
	fails("not a number", err)
	zero, err := parts.With("cpu_utilisation", 0, "a wish")
	if err != nil {
		t.Fatal(err)
	}
	_, err = zero.Demand(capacity.Load{})
	fails("no utilisation", err)
}

func FuzzComponents(f *testing.F) {
	f.Add(1e6, 768.0, 1000.0, 2.0, 4e9)
	f.Add(1e308, 1e308, 0.0, 1.0, 1e-300)
	f.Fuzz(func(t *testing.T, a, b, c, d, e float64) {
		if v, err := parts.VectorStore(capacity.Vectors{Count: a, Dimension: b, PayloadBytes: c, Copies: d, NodeMemoryBytes: e, Shards: b}); err == nil {
			if v.Nodes < 1 || v.Shards < v.Nodes || v.Shards%v.Nodes != 0 || v.CopyBytes < 0 || v.TotalBytes < v.CopyBytes {
				t.Errorf("%+v", v)
			}
		}
		if v, err := parts.Database(capacity.Tables{Rows: a, ColumnBytes: b, IndexBytes: c, Copies: d}); err == nil && (v.CopyBytes < 0 || v.TotalBytes < v.CopyBytes) {
			t.Errorf("%+v", v)
		}
		if v, err := parts.Cache(capacity.Keys{Count: a, KeyBytes: b, ValueBytes: c, Replicas: e, Primaries: d}); err == nil && (v.TotalBytes < 0 || v.Limit < v.MaxMemory) {
			t.Errorf("%+v", v)
		}
		if v, err := parts.Demand(capacity.Load{a, b, c, d, e, a}); err == nil && (v.Memories < 0 || v.Cores < v.Busy || math.IsNaN(v.Cores)) {
			t.Errorf("%+v", v)
		}
	})
}
