package agent

import (
	"context"
	"sync"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
)

// errStopped says that the loop is not running (any more).
var errStopped error = api.Unavailable("the agent is stopping").WithRemedy("try again when it runs")

// An inbox is how others reach the loop: the executor with updates, which must never wait, and the
// API with functions to run on the loop's state.
type inbox struct {
	state *inboxState
	wake  chan struct{} // holds one token while there are updates
	calls chan func()
	done  chan struct{} // closed when the loop has ended
}

type inboxState struct {
	mu      sync.Mutex
	updates []actuators.Action
}

func newInbox() inbox {
	return inbox{state: &inboxState{}, wake: make(chan struct{}, 1), calls: make(chan func()), done: make(chan struct{})}
}

// updated takes an action's transition. It never blocks.
func (b inbox) updated(a actuators.Action) {
	b.state.mu.Lock()
	b.state.updates = append(b.state.updates, a)
	b.state.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take returns the updates since the last take, in order.
func (b inbox) take() []actuators.Action {
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	all := b.state.updates
	b.state.updates = nil
	return all
}

// call runs f on the loop and waits for it.
func call[T any](ctx context.Context, b inbox, f func() (T, error)) (T, error) {
	var v T
	var err error
	ended := make(chan struct{})
	run := func() {
		defer close(ended)
		v, err = f()
	}
	select {
	case b.calls <- run:
		<-ended
		return v, err
	case <-b.done:
		return v, errStopped
	case <-ctx.Done():
		return v, context.Cause(ctx)
	}
}
