package node

import (
	"context"

	"github.com/engramd/engramd/node/consolidate"
)

// Consolidate does one round of consolidation of a space and says what it did.
func (n *Node) Consolidate(ctx context.Context, space string) (consolidate.Report, error) {
	s, err := n.store.Space(space)
	if err != nil {
		return consolidate.Report{}, err
	}
	began := n.opts.Now()
	freed, err := viewsOf(s).graph.Sweep(ctx)
	return consolidate.Report{Began: began, Took: n.opts.Now().Sub(began), Freed: freed}, err
}

// A ConsolidationStats tells how far behind consolidation is.
type ConsolidationStats struct {
	LagSeconds float64
}

// ConsolidationStats tells how far behind consolidation is.
func (n *Node) ConsolidationStats() ConsolidationStats { return ConsolidationStats{} }
