package store

import "github.com/engramd/engramd/node/record"

// A View is resident state of one space that follows from its records: the graph, the tiers, the
// vectors. It is loaded once from the base and then fed every durable change in the order of the log, the
// ones replayed at open just like new ones. So whatever a View is after n changes, it is again after a
// restart, a restore or a compaction.
//
// Load* come first, from one goroutine, before anyone reads: all values, then all edges, then all accesses. Apply and Checkpoint come from two goroutines
// that run beside each other and beside readers. No method may block on I/O except Checkpoint.
type View interface {
	// LoadValue is called for every value of the base, ordinals ascending. v must not be kept.
	LoadValue(ord record.Ord, v record.Value)
	// LoadEdges is called with the edges that leave from, targets ascending; some may lead to ordinals that
	// are dead. edges must not be kept.
	LoadEdges(from record.Ord, edges []EdgeTo)
	// LoadAccess is called with the access of ord.
	LoadAccess(ord record.Ord, a record.Access)
	// Loaded ends loading and replaying. Readers come after it.
	Loaded() error
	// Apply is called with the durable ops of one batch, LSNs ascending, after they are visible in the index
	// and before their callers are answered. ops and their values must not be kept; a vector may be, it is shared with nothing.
	Apply(ops []record.Op)
	// Checkpoint makes durable what the view keeps in files of its own, up to lsn at least. The base commits
	// lsn only after it returned nil.
	Checkpoint(lsn uint64) error
	// Close is called when the space goes away or the store closes.
	Close() error
}

// An EdgeTo is the end of an edge.
type EdgeTo struct {
	To     record.Ord
	Weight record.Weight
}

// A Views makes the views of a space when it is opened or created. dir is the space's own directory, for
// files of the views. space answers look-ups (IDs, liveness) to the views; it has content after Loaded.
type Views func(space *Space, dir string) ([]View, error)
