package metrics

import (
	"time"

	"github.com/engramd/engramd/node/pressure"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/threads"
	"github.com/engramd/engramd/node/tier"
)

// State is what the rooms of the node tell about themselves at one moment. What is nil is not known, and is not told.
type State struct {
	Tiers    *tier.Stats
	Store    *store.Stats
	Pressure *pressure.State
	// Spreading and Consolidation are the workers.
	Spreading     *threads.PoolStats
	Consolidation *threads.PoolStats
	// ConsolidationLag is how old the oldest work is that consolidation has not done.
	ConsolidationLag *time.Duration
	InFlight         *InFlight
	Snapshots        *Snapshots
	// IndexBytes is what is resident for memories of whatever tier: ids, versions, tiers, edges.
	IndexBytes *int64
	Spaces     *int64
	Memories   *int64
	Edges      *int64
	// Maintenance says that the node takes no writes because somebody wished so.
	Maintenance *bool
}

// InFlight is what is under way.
type InFlight struct{ Reads, Writes int64 }

// Snapshots are those that are kept.
type Snapshots struct {
	Count       int
	LastSuccess time.Time // zero: none yet
}
