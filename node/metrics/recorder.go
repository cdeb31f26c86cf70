package metrics

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Operations counts and times operations. Its methods may be called from any goroutine, and take some 100 ns an operation, of which the two
// looks at the clock are 70.
type Operations struct {
	scale  *scale
	kind   func(error) (Kind, bool)
	shards []shard
	near   sync.Pool // of *shard: the one that this core used last, so that cores do not fight for a counter
	given  atomic.Uint32
	errors [operations][kinds]atomic.Uint64
	began  time.Time
}

// A shard has a share of the counts.
type shard [operations]struct {
	slots [slotCount]atomic.Uint64
	nanos atomic.Uint64
}

const mostShards = 16

func newOperations(kind func(error) (Kind, bool), now time.Time) *Operations {
	o := &Operations{scale: newScale(), kind: kind, shards: make([]shard, min(runtime.NumCPU(), mostShards)), began: now}
	o.near.New = func() any { return &o.shards[int(o.given.Add(1))%len(o.shards)] }
	return o
}

// A Timer measures one operation.
type Timer struct {
	ops   *Operations
	op    Operation
	start time.Time
}

// Begin begins to time an operation.
func (o *Operations) Begin(op Operation) Timer { return Timer{o, op, time.Now()} }

// End counts the operation, with what it failed of or nil.
func (t Timer) End(err error) { t.ops.Record(t.op, time.Since(t.start), err) }

// Record counts an operation that took that long, with what it failed of or nil.
func (o *Operations) Record(op Operation, took time.Duration, err error) {
	near := o.near.Get().(*shard)
	s := &near[op]
	s.slots[o.scale.slot(took)].Add(1)
	s.nanos.Add(uint64(max(0, took)))
	o.near.Put(near)
	if err != nil {
		o.errors[op][o.kindOf(err)].Add(1)
	}
}

func (o *Operations) kindOf(err error) Kind {
	if o.kind != nil {
		if k, ok := o.kind(err); ok && k < kinds {
			return k
		}
	}
	return kindOf(err)
}

// A tally is what has been counted up to a moment.
type tally struct {
	counts [operations][]uint64 // by slot; nil: none
	nanos  [operations]uint64
	errors [operations][kinds]uint64
}

// tally adds the shards up. What ends meanwhile is counted or not.
func (o *Operations) tally() *tally {
	t := &tally{}
	var sum [slotCount]uint64
	for op := range operations {
		clear(sum[:])
		var any uint64
		for i := range o.shards {
			s := &o.shards[i][op]
			for j := range s.slots {
				n := s.slots[j].Load()
				sum[j] += n
				any |= n
			}
			t.nanos[op] += s.nanos.Load()
		}
		if any != 0 {
			t.counts[op] = append([]uint64(nil), sum[:]...)
		}
		for k := range kinds {
			t.errors[op][k] = o.errors[op][k].Load()
		}
	}
	return t
}

// since returns the counts of one operation since an earlier tally; nil for none.
func (t *tally) since(before *tally, op Operation) []uint64 {
	now := t.counts[op]
	if now == nil {
		return nil
	}
	out := append([]uint64(nil), now...)
	for i, n := range before.counts[op] {
		out[i] -= n
	}
	return out
}

func total(counts []uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}
