package metrics

import "github.com/engramd/engramd/node/threads"

// A pool is the workers of one kind, by name.
type pool struct {
	name string
	*threads.PoolStats
}

// pools lists those that are known.
func pools(s *State) (out []pool) {
	for _, p := range []pool{{"spreading", s.Spreading}, {"consolidation", s.Consolidation}} {
		if p.PoolStats != nil {
			out = append(out, p)
		}
	}
	return out
}
