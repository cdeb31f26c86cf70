package spread_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/spread"
)

// FuzzSpread compares any small graph and any options with the reference.
func FuzzSpread(f *testing.F) {
	f.Add(3, 10, 0.01, 0.7, 20, false, 1.0, []byte{1, 1, 0, 0, 1, 2, 0, 0, 3, 1, 2, 100, 3, 2, 1, 156})
	f.Add(10, 1, 0.0, 1.0, 1, true, 1e-12, []byte{1, 1, 0, 0, 1, 2, 0, 0, 3, 1, 2, 100, 2, 2, 0, 0})
	f.Fuzz(func(t *testing.T, hops, fanOut int, threshold, decay float64, limit int, without bool, activation float64, data []byte) {
		o := spread.Options{Hops: hops, FanOut: fanOut, Threshold: threshold, Decay: decay, Limit: limit, WithoutSeeds: without}
		p, g := newPlain(), graph.New(still{}, graph.Options{})
		var ops []record.Op
		for ; len(data) >= 4; data = data[4:] {
			op := record.Op{
				Kind: 1 + record.Kind(data[0]%5), Ord: place(int(data[1] % 32)), To: place(int(data[2] % 32)),
				Weight: record.Weight(int8(data[3])) * 157,
			}
			deadEnd := op.Kind == record.Put && !p.alive[op.Ord] // would need a Free first
			if op.Ord == op.To || op.Weight == 0 || deadEnd && len(ops) > 0 && contains(ops, op.Ord) {
				continue
			}
			p.apply(op)
			ops = append(ops, op)
		}
		g.Apply(ops)
		from := []spread.Seed{{Ord: place(0), Activation: activation}, {Ord: place(1), Activation: activation}}
		var w spread.Worker
		got, err := w.Spread(t.Context(), g.Snapshot(), from, o)
		if err != nil {
			if o.Validate() == nil && activation > 0 && activation <= 1 {
				t.Fatal(err)
			}
			return
		}
		if diff := cmp.Diff(p.spread(from, o), got); diff != "" {
			t.Fatalf("-plain +spread:\n%s", diff)
		}
	})
}

// contains tells whether ord was deleted before.
func contains(ops []record.Op, ord record.Ord) bool {
	for _, op := range ops {
		if op.Kind == record.Delete && op.Ord == ord {
			return true
		}
	}
	return false
}
