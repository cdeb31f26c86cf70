package actuators

import (
	"cmp"
	"context"
	"sync"
)

// A run is one action under way, owned by one goroutine.
type run struct {
	x      *Executor
	driver Driver
	lock   chan struct{} // the target's; full while somebody has it
	holds  bool          // this run has it
	cancel context.CancelCauseFunc
	orders chan order
	ended  chan struct{}

	mu sync.Mutex
	a  Action // written by the run's goroutine only
}

// A stage is one stretch of an action's way; it returns the next one, nil at the end.
type stage func(ctx context.Context) stage

type orderKind int

const (
	orderSupersede orderKind = iota
	orderRollback
)

// An order is asked of a run from outside.
type order struct {
	kind   orderKind
	reason string
	reply  chan answer
}

type answer struct {
	action Action
	err    error
}

func compareText(a, b string) int { return cmp.Compare(a, b) }

func (r *run) loop(ctx context.Context, s stage) {
	for s != nil {
		s = s(ctx)
	}
}

func (r *run) snapshot() Action {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.a
}

func (r *run) release() {
	if r.holds {
		<-r.lock
		r.holds = false
	}
}

func (r *run) begin() stage                 { return nil }
func (r *run) recover() stage               { return nil }
func (r *run) giveBack(reason string) stage { return nil }
