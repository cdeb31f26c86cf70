package spread

import (
	"context"

	"github.com/engramd/engramd/node/graph"
	"github.com/engramd/engramd/node/record"
)

// every is after how much work the context is asked: a few tenths of a millisecond.
const every = 4096

// hop does one hop: all of it or, if ctx ends, nothing that can be seen.
func (w *Worker) hop(ctx context.Context, hop uint8) error {
	w.again = w.again[:0]
	first := len(w.reached.memories)
	ask := w.looked
	for front := w.front; len(front) > 0; {
		if w.looked >= ask {
			if err := ctx.Err(); err != nil {
				return err
			}
			ask = w.looked + every
		}
		n := min(len(front), ahead)
		w.fetch(front[:n])
		for i, from := range front[:n] {
			w.send(from, w.rows[i], hop)
		}
		front = front[n:]
	}
	w.front = w.front[:0]
	for _, i := range w.again {
		w.take(i)
	}
	for i := first; i < len(w.reached.memories); i++ {
		w.take(int32(i))
	}
	return nil
}

// take lets a memory have what it was given, and lets it send in the next hop if it has something to send.
func (w *Worker) take(i int32) {
	w.reached.take(i)
	if m := &w.reached.memories[i]; m.total >= w.threshold && m.total > m.sent {
		w.front = append(w.front, i)
	}
}

// ahead is how many memories' edges are fetched at once: one after the other each would wait for main memory
// twice.
const ahead = 16

// fetch finds the edges of senders and brings them into the cache. No step depends on one before, so that the
// processor waits for all of them together.
func (w *Worker) fetch(senders []int32) {
	for i, from := range senders {
		w.rows[i] = w.graph.Edges(w.reached.memories[from].ord)
	}
	var touched record.Weight
	for i := range senders {
		if row := w.rows[i]; len(row) > 0 {
			touched |= row[0].Weight() | row[min(len(row), w.fanOut)-1].Weight()
		}
	}
	w.touched = touched
}

// send gives what a memory has not sent yet to its first edges. All that a spread costs is in its loop.
func (w *Worker) send(from int32, row []graph.Edge, hop uint8) {
	w.reached.reserve(min(len(row), w.fanOut))
	memories, slots, shift := w.reached.memories, w.reached.slots, w.reached.shift
	mask := uint32(len(slots) - 1)
	sender := &memories[from]
	activation := int64(sender.total-sender.sent) * w.decay >> oneBits
	sender.sent = sender.total
	left, looked := w.fanOut, 1
	for _, e := range row {
		given := activation * int64(e.Weight()) / int64(record.WeightOne)
		if given == 0 || left == 0 {
			break // edges are ranked: those that follow would give nothing either
		}
		looked++
		to := e.To()
		if !w.graph.Alive(to) {
			continue
		}
		left--
		for at := home(to, shift); ; at++ {
			i := slots[at&mask]
			if i == 0 {
				// Field by field: a literal is made elsewhere first, and copying it waits for that.
				memories = memories[:len(memories)+1]
				m := &memories[len(memories)-1]
				m.ord, m.total, m.sent, m.given = to, 0, 0, given
				m.best, m.via, m.depth, m.seen = int32(max(given, 0)), from, never, hop
				slots[at&mask] = int32(len(memories))
				break
			}
			if m := &memories[i-1]; m.ord == to {
				if m.seen != hop {
					m.seen = hop
					w.again = append(w.again, i-1)
				}
				m.given += given
				if m.depth == never && given > 0 && given >= int64(m.best) {
					if given > int64(m.best) || sender.ord < memories[m.via].ord {
						m.best, m.via = int32(given), from
					}
				}
				break
			}
		}
	}
	w.reached.memories = memories
	w.edges += w.fanOut - left
	w.looked += looked
}
