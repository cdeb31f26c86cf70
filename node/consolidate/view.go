package consolidate

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// A View knows since when a space waits to be consolidated. It is a [store.View]; everything that was there when the node started
// counts as changed then.
type View struct {
	now  func() time.Time
	turn chan struct{} // of one round

	mu      sync.Mutex
	oldest  time.Time  // change that no round under way or done has seen; zero: none
	seen    time.Time  // what oldest was before the round under way began
	expires time.Time  // the first memory; zero: none does
	expired time.Time  // what expires was before the round under way began
	cursor  record.Ord // behind which the next search for near ones begins; zero: once around is done
	vectors bool       // have changed since the last time around began
	closed  bool

	redirects atomic.Bool // there is one, or was since the node started
}

var _ store.View = (*View)(nil)

// NewView returns the view of a space, for [store.Views].
func NewView(now func() time.Time) *View {
	return &View{now: now, turn: make(chan struct{}, 1)}
}

// LoadValue implements store.View.
func (v *View) LoadValue(_ record.Ord, value record.Value) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.put(value)
}

// LoadEdges implements store.View.
func (v *View) LoadEdges(record.Ord, []store.EdgeTo) {}

// LoadAccess implements store.View.
func (v *View) LoadAccess(record.Ord, record.Access) {}

// Loaded implements store.View.
func (v *View) Loaded() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.oldest, v.vectors = v.now(), true
	return nil
}

// Apply implements store.View.
func (v *View) Apply(ops []record.Op) {
	now := v.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range ops {
		switch ops[i].Kind {
		case record.Put:
			v.put(ops[i].Value)
			v.vectors = v.vectors || ops[i].Value.VectorVersion() != 0
		case record.Delete, record.Link:
		default:
			continue // nothing that consolidation looks at
		}
		if v.oldest.IsZero() {
			v.oldest = now
		}
	}
}

// Checkpoint implements store.View.
func (v *View) Checkpoint(uint64) error { return nil }

// Close implements store.View.
func (v *View) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = true
	return nil
}

// Closed tells that the space is gone.
func (v *View) Closed() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.closed
}

// put notes a memory. v is locked.
func (v *View) put(value record.Value) {
	v.expire(value.ExpiresAt())
	if value.Redirects() {
		v.redirects.Store(true)
	}
}

// Redirects tells whether an id of the space may lead to another memory.
func (v *View) Redirects() bool { return v.redirects.Load() }

// expire notes when a memory expires. v is locked.
func (v *View) expire(at time.Time) {
	if !at.IsZero() && (v.expires.IsZero() || at.Before(v.expires)) {
		v.expires = at
	}
}

// Lag returns how long the oldest change waits that no complete round has seen; zero if there is none. A memory that has
// expired is such a change, too.
func (v *View) Lag() time.Duration {
	now := v.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	lag := time.Duration(0)
	for _, since := range [...]time.Time{v.oldest, v.seen, v.expires, v.expired} {
		if !since.IsZero() {
			lag = max(lag, now.Sub(since))
		}
	}
	return lag
}

// Due tells whether there is anything to do.
func (v *View) Due() bool {
	changed := v.changed()
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.closed && (changed || v.cursor != 0 || v.vectors)
}

// changed tells whether anything waits that no round has seen. What is left besides is to look for near ones.
func (v *View) changed() bool {
	now := v.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.oldest.IsZero() || !v.seen.IsZero() || !v.expires.IsZero() && !now.Before(v.expires)
}

// begin waits for the turn of a round, and starts the books for it. It tells whether anything has changed.
func (v *View) begin(ctx context.Context) (changed bool, err error) {
	select {
	case v.turn <- struct{}{}:
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	changed = v.changed()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen, v.oldest = older(v.seen, v.oldest), time.Time{}
	v.expired, v.expires = v.expires, time.Time{}
	return changed, nil
}

// end closes the books. expires is when the first memory expires that the round has seen. What a round that did not come to its end has
// seen is still to be done.
func (v *View) end(complete bool, expires time.Time) {
	v.mu.Lock()
	if complete {
		v.seen, v.expired = time.Time{}, expires
	}
	v.expires, v.expired = older(v.expires, v.expired), time.Time{}
	v.mu.Unlock()
	<-v.turn
}

// older returns the earlier of two times of which either may be none.
func older(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// from returns where the search for near ones begins.
func (v *View) from() record.Ord {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cursor == 0 {
		v.vectors = false
	}
	return v.cursor
}

// goOn sets where the next search begins.
func (v *View) goOn(from record.Ord) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cursor = from
}
