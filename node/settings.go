package node

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"sync"
	"time"

	"github.com/engramd/engramd/node/pressure"
	"github.com/engramd/engramd/node/snapshot"
)

// Settings that are changed while the node runs hold until it ends: the next start goes by the options again.

// maxPeriod bounds durations that somebody sets: more is a mistake.
const maxPeriod = 10 * 365 * 24 * time.Hour

// A rhythm is how often something is done, changed while somebody waits for the next time.
type rhythm struct {
	mu      sync.Mutex
	every   time.Duration
	changed chan struct{}
}

func (r *rhythm) set(every time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.every = every
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// get returns how often, and what is closed when that is changed.
func (r *rhythm) get() (time.Duration, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.every, r.changed
}

// wait returns true when it is time again, false when ctx is over. A negative rhythm waits for another one.
func (r *rhythm) wait(ctx context.Context) bool {
	for {
		every, changed := r.get()
		var due <-chan time.Time
		if every > 0 {
			t := time.NewTimer(every)
			defer t.Stop()
			due = t.C
		}
		select {
		case <-ctx.Done():
			return false
		case <-due:
			return true
		case <-changed:
		}
	}
}

// ConsolidateEvery is how often a space in which something has changed is consolidated; negative: only when asked.
func (n *Node) ConsolidateEvery() time.Duration {
	every, _ := n.rounds.get()
	return every
}

// SetConsolidateEvery changes it, from now on.
func (n *Node) SetConsolidateEvery(every time.Duration) error {
	if every == 0 || every > maxPeriod || every > 0 && every < time.Second {
		return fmt.Errorf("%w: consolidation every %v: want 1s to %v, or less than zero for never", ErrInvalid, every, maxPeriod)
	}
	n.rounds.set(every)
	return nil
}

// WALRetention is how long segments of the log are kept after their checkpoint.
func (n *Node) WALRetention() time.Duration { return n.store.WALRetention() }

// SetWALRetention changes how long segments of the log are kept after their checkpoint, and lets go of those that are older.
func (n *Node) SetWALRetention(keep time.Duration) error {
	if keep < 0 || keep > maxPeriod {
		return fmt.Errorf("%w: a retention of %v: want 0s to %v", ErrInvalid, keep, maxPeriod)
	}
	n.store.SetWALRetention(keep)
	return n.store.TrimWAL(max(1, keep))
}

// A SnapshotKeep says how many snapshots stay, and where all are copied to; no bucket: nowhere.
type SnapshotKeep struct {
	Last, Weekly int
	Archive      string
}

// SnapshotKeep returns what holds.
func (n *Node) SnapshotKeep() SnapshotKeep {
	n.snapshots.mu.Lock()
	defer n.snapshots.mu.Unlock()
	return n.snapshots.keep
}

// SetSnapshotKeep changes how many are kept when scheduled ones were taken, and where all are copied to.
func (n *Node) SetSnapshotKeep(k SnapshotKeep) error {
	errs := []error{snapshot.CheckKeep(k.Last, k.Weekly)}
	if k.Archive != "" {
		errs = append(errs, snapshot.CheckBucketURL(k.Archive))
		if _, err := n.outside(k.Archive); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	n.snapshots.mu.Lock()
	defer n.snapshots.mu.Unlock()
	n.snapshots.keep = k
	return nil
}

// MemoryLimit is that of Go for the process; false if there is none.
func MemoryLimit() (int64, bool) {
	limit := debug.SetMemoryLimit(-1) // a negative limit only asks
	return limit, limit < math.MaxInt64
}

// memoryMargin is how much more than what is in use a memory limit must allow: below that Go collects garbage all the time.
const memoryMargin = 1.1

// SetMemoryLimit changes the memory limit of Go for the whole process, of which the node may be a part; without one it is unbounded. One
// that what is in use hardly fits into is refused.
func SetMemoryLimit(limit int64, limited bool) error {
	if !limited {
		debug.SetMemoryLimit(math.MaxInt64)
		return nil
	}
	if limit <= 0 {
		return fmt.Errorf("%w: a memory limit of %d bytes: want more than zero", ErrInvalid, limit)
	}
	reading, err := (pressure.System{}).Read()
	if err != nil && len(reading.Bounds) == 0 {
		return fmt.Errorf("what is in use cannot be read, so no memory limit is set: %w", err)
	}
	for _, b := range reading.Bounds {
		if (b.Name == "GOMEMLIMIT" || b.Name == "host") && float64(b.UsedBytes)*memoryMargin > float64(limit) {
			return fmt.Errorf("%w: %d bytes are in use, and with a tenth more these do not fit into a memory limit of %d", ErrInvalid, b.UsedBytes, limit)
		}
	}
	debug.SetMemoryLimit(limit)
	return nil
}
