package node

import (
	"errors"
	"net/http"
	"time"

	"github.com/engramd/engramd/node/metrics"
)

// measure times an operation until the returned func is called with what came of it.
func (n *Node) measure(op metrics.Operation) func(err *error) {
	t := n.metrics.Operations().Begin(op)
	return func(err *error) { t.End(*err) }
}

// openMetrics makes what measures.
func (n *Node) openMetrics() {
	n.metrics = metrics.New(metrics.Options{
		State: n.state, DataDir: n.opts.DataDir, DiskCeiling: n.opts.DiskCeiling, Kind: kindOf, Now: n.opts.Now,
	})
}

// Metrics serves /metrics.
func (n *Node) Metrics() http.Handler { return n.metrics.Handler() }

// kindOf knows the errors of this package.
func kindOf(err error) (metrics.Kind, bool) {
	switch {
	case errors.Is(err, ErrMaintenance):
		return metrics.Maintenance, true
	case errors.Is(err, ErrConflict), errors.Is(err, ErrOwned):
		return metrics.Conflict, true
	case errors.Is(err, ErrPolicy):
		return metrics.Invalid, true
	case errors.Is(err, ErrMemory):
		return metrics.NoMemory, true
	case errors.Is(err, ErrQueueFull):
		return metrics.QueueFull, true
	}
	return metrics.None, false
}

// state is what the rooms of the node tell about themselves.
func (n *Node) state() metrics.State {
	st := n.Stats()
	s := metrics.State{
		Tiers: &st.Tiers, Store: &st.Store, Pressure: &st.Pressure, Spreading: &st.Spreading, Consolidation: &st.Consolidation,
		IndexBytes: &st.IndexBytes, Spaces: new(int64(len(st.Spaces))), Maintenance: new(n.maintenance.refusal() != nil),
	}
	reads, writes := n.InFlight()
	s.InFlight = &metrics.InFlight{Reads: reads, Writes: writes}
	s.ConsolidationLag = new(time.Duration(n.ConsolidationStats().LagSeconds * float64(time.Second)))
	var memories, edges int64
	for _, space := range st.Spaces {
		memories, edges = memories+int64(space.Memories), edges+int64(space.Graph.Edges)
	}
	s.Memories, s.Edges = &memories, &edges
	if shots, err := n.SnapshotStats(); err == nil {
		s.Snapshots = &metrics.Snapshots{Count: shots.Count, LastSuccess: shots.LastSuccess}
	}
	return s
}
