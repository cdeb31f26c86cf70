package spread

import "github.com/engramd/engramd/node/record"

// A Result is what a spread reached.
type Result struct {
	Hits []Hit // activation descending, then ordinal ascending

	Partial bool // the deadline came first: this is the result of as many whole hops as there was time for
	Hops    int  // done; fewer than asked for also if nothing was left to send
	Reached int  // memories that are active, hits or not
	Edges   int  // followed
	Absent  int  // seeds that are not alive, which are ignored
}

// A Hit is a memory that a spread reached.
type Hit struct {
	Ord        record.Ord
	Activation float64 // above 0, to 1
	// Path leads from a seed to Ord, both included: len(Path)-1 hops. That of a seed is itself.
	Path []record.Ord
}

// Hops returns how many hops the memory is away from its seed.
func (h Hit) Hops() int { return len(h.Path) - 1 }
