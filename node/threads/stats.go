package threads

// Counts are of jobs since the start.
type Counts struct {
	Done     uint64 `json:"done_total"`     // they ended, with or without an error
	Panicked uint64 `json:"panicked_total"` // of those
	Refused  uint64 `json:"refused_total"`  // the queue was full
	GaveUp   uint64 `json:"gave_up_total"`  // their time was over before a worker was free
}

// A Placement says where a worker runs.
type Placement struct {
	Worker int `json:"worker"`
	Core   int `json:"core"`
	Thread int `json:"thread"` // the kernel's id of it
}

// PoolStats are those of a pool.
type PoolStats struct {
	Workers    int  `json:"workers"`
	Busy       int  `json:"busy"` // for a while more than Workers, after a change to fewer
	QueueDepth int  `json:"queue_depth"`
	QueueLimit int  `json:"queue_limit"`
	Cores      CPUs `json:"cores"`
	// Pinned lists the workers that are bound to a core.
	Pinned []Placement `json:"pinned"`
	// Unpinned is why the workers are not bound to Cores; empty if they are.
	Unpinned string `json:"unpinned,omitempty"`
	Counts
}

// Stats tells what the pool is and does.
func (p *Pool[T]) Stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PoolStats{
		Workers: p.workers, Busy: len(p.all) - len(p.idle) - len(p.spare) + p.old,
		QueueDepth: p.waiting.Len(), QueueLimit: p.opts.Queue,
		Cores: p.cores, Unpinned: p.unpinned, Counts: p.counts,
	}
	for _, w := range p.all {
		if w.thread != nil {
			s.Pinned = append(s.Pinned, Placement{w.index, w.thread.core, w.thread.id()})
		}
	}
	return s
}
