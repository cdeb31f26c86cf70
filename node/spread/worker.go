package spread

import (
	"context"
	"errors"
	"unsafe"

	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
)

// A Worker does one spread at a time.
type Worker struct {
	reached reached
	front   []int32  // who sends in the next hop
	again   []int32  // who was given something in this one and was reached before
	keys    []uint64 // of whoever may be a hit
	top     []uint64 // the first of those
	rows    [ahead][]graph.Edge

	graph     *graph.Snapshot
	fanOut    int
	threshold int32
	decay     int64
	edges     int           // followed
	looked    int           // at so many edges, dead ends included, and so many senders
	touched   record.Weight // what fetch read, so that it is not optimized away
}

// Spread lets activation spread from seeds over g. When the deadline of ctx passes it returns what whole hops
// have brought so far, marked partial; when ctx is cancelled, why. Wrong options or seeds are a
// [record.InvalidError].
func (w *Worker) Spread(ctx context.Context, g *graph.Snapshot, seeds []Seed, o Options) (Result, error) {
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	if err := checkSeeds(seeds); err != nil {
		return Result{}, err
	}
	w.begin(g, o)
	defer w.end()
	result := Result{Absent: w.sow(seeds)}
	for len(w.front) > 0 && result.Hops < o.Hops {
		if err := w.hop(ctx, uint8(result.Hops+1)); errors.Is(err, context.DeadlineExceeded) {
			result.Partial = true
			break
		} else if err != nil {
			return Result{}, context.Cause(ctx)
		}
		result.Hops++
	}
	result.Edges = w.edges
	result.Hits, result.Reached = w.rank(o)
	return result, nil
}

func (w *Worker) begin(g *graph.Snapshot, o Options) {
	w.reached.reset()
	w.front = w.front[:0]
	w.graph, w.fanOut, w.edges, w.looked = g, o.FanOut, 0, 0
	w.threshold, w.decay = int32(fixed(o.Threshold)), fixed(o.Decay)
}

// end lets go of what belongs to others, and of room that is out of proportion.
func (w *Worker) end() {
	w.graph = nil
	clear(w.rows[:])
	if cap(w.reached.memories) > keepMemories {
		*w = Worker{}
	}
}

// sow gives the seeds their activation and returns how many are absent.
func (w *Worker) sow(seeds []Seed) (absent int) {
	for _, s := range seeds {
		if !w.graph.Alive(s.Ord) {
			absent++
			continue
		}
		i := w.reached.index(s.Ord)
		m := &w.reached.memories[i]
		m.total = int32(min(int64(m.total)+fixed(s.Activation), one))
		m.depth = 0
	}
	for i := range w.reached.memories {
		if w.reached.memories[i].total >= w.threshold {
			w.front = append(w.front, int32(i))
		}
	}
	return absent
}

// Bytes returns the room that the worker keeps.
func (w *Worker) Bytes() int64 {
	return int64(unsafe.Sizeof(*w)) + int64(cap(w.reached.memories))*int64(unsafe.Sizeof(memory{})) +
		4*int64(cap(w.reached.slots)+cap(w.again)+cap(w.front)) + 8*int64(cap(w.keys)+cap(w.top))
}
