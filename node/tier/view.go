package tier

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// A View is the tiers of one space. It implements [store.View].
type View struct {
	tiers *Tiers
	space *store.Space
	table table
	books books
	codec codec

	// loaded is set in Loaded, before anybody reads or sweeps; until then there are rows and no books.
	loaded   bool
	closed   atomic.Bool
	sweeping sync.Mutex   // one sweep at a time
	limit    atomic.Int64 // how many may be hot under pressure
	wanted   atomic.Pointer[migration]
	moving   atomic.Bool
	failedAt atomic.Int64 // how many memories there were when no dictionary came of them

	hits, misses atomic.Int64
}

var _ store.View = (*View)(nil)

// View returns the tiers of a space, for [store.Views]. The store feeds and closes it.
func (t *Tiers) View(space *store.Space) *View {
	v := &View{tiers: t, space: space}
	v.books.bars = map[int64]int64{}
	v.limit.Store(math.MaxInt64)
	return v
}

// LoadValue implements store.View.
func (v *View) LoadValue(ord record.Ord, value record.Value) {
	p, i := v.table.reach(ord)
	p.access[i] = packAccess(FirstAccess(value))
	p.size[i] = uint32(len(value))
	p.tier[i] = storedIn(value)
}

// storedIn returns where a value is that is not known to be hot.
func storedIn(value record.Value) Tier {
	if value.Codec() != record.Plain {
		return Cold
	}
	return Warm
}

// LoadEdges implements store.View.
func (v *View) LoadEdges(record.Ord, []store.EdgeTo) {}

// LoadAccess implements store.View.
func (v *View) LoadAccess(ord record.Ord, a record.Access) {
	if p, i := v.table.at(ord); p != nil && p.tier[i] != none {
		p.access[i] = packAccess(a)
	}
}

// Loaded implements store.View: the best memories become hot.
func (v *View) Loaded() error {
	v.table.each(false, func(_ record.Ord, p *page, i int) {
		v.books.count[p.tier[i]]++
		v.books.bytes[p.tier[i]] += int64(p.size[i])
		v.books.bars[bucketOf(p.access[i].score())]++
	})
	v.loadDictionaries()
	v.loaded = true
	s := v.tiers.Settings()
	v.sweepHot(s.Policy, mode{limit: math.MaxInt64}, v.tiers.opts.Now())
	v.books.moves = moves{} // that was no change, only how it begins
	v.tiers.add(v)
	return nil
}

// Checkpoint implements store.View: everything follows from the base.
func (v *View) Checkpoint(uint64) error { return nil }

// Close implements store.View.
func (v *View) Close() error {
	if v.closed.Swap(true) {
		return nil
	}
	v.tiers.remove(v)
	v.dropCopies(func() bool { return true })
	return nil
}

// Apply implements store.View.
func (v *View) Apply(ops []record.Op) {
	now := v.tiers.opts.Now()
	settings := v.tiers.Settings()
	policy := settings.admission()
	for i := range ops {
		op := &ops[i]
		switch op.Kind {
		case record.Put:
			v.put(op)
		case record.Delete:
			v.delete(op.Ord)
		case record.Touch:
			v.touch(op, policy, now)
		}
	}
	if settings.Owner != Node {
		v.welcome(ops, policy, now)
	}
}

// welcome makes hot what was put and is active enough, for which no sweep of ours comes. The accesses of the group are known by now.
func (v *View) welcome(ops []record.Op, policy Policy, now time.Time) {
	if !v.loaded {
		return
	}
	for i := range ops {
		if ops[i].Kind != record.Put {
			continue
		}
		if p, at := v.table.at(ops[i].Ord); p != nil {
			p.mu.Lock()
			v.heat(p, at, policy, now)
			p.mu.Unlock()
		}
	}
}

func (v *View) put(op *record.Op) {
	p, i := v.table.reach(op.Ord)
	p.mu.Lock()
	before, size := p.tier[i], p.size[i]
	p.size[i] = uint32(len(op.Value))
	switch before {
	case none:
		p.access[i] = packAccess(FirstAccess(op.Value))
		p.tier[i] = storedIn(op.Value)
	case Cold:
		p.tier[i] = storedIn(op.Value) // plain again
	}
	if v.loaded {
		v.books.move(before, p.tier[i], size, p.size[i])
		if before == none {
			// It is not hot yet: an access of the same group may say how active it is.
			v.books.enter(p.access[i].score())
		}
	}
	p.mu.Unlock()
	if before == Hot {
		v.tiers.copies.Drop(v.key(op.Ord))
	}
}

func (v *View) delete(ord record.Ord) {
	p, i := v.table.at(ord)
	if p == nil {
		return
	}
	p.mu.Lock()
	before := p.tier[i]
	if before != none && v.loaded {
		v.books.move(before, none, p.size[i], 0)
		v.books.leave(p.access[i].score())
	}
	p.tier[i], p.size[i], p.access[i] = none, 0, access{}
	p.mu.Unlock()
	if before == Hot {
		v.tiers.copies.Drop(v.key(ord))
	}
}

func (v *View) touch(op *record.Op, policy Policy, now time.Time) {
	p, i := v.table.at(op.Ord)
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tier[i] == none {
		return
	}
	before := p.access[i].score()
	p.access[i] = packAccess(op.Access)
	if v.loaded {
		v.books.rescore(before, p.access[i].score())
		v.heat(p, i, policy, now)
	}
}

// heat makes a warm memory hot at an access, if it is active enough and there is room. The page is locked.
func (v *View) heat(p *page, i int, policy Policy, now time.Time) {
	if p.tier[i] != Warm || !v.tiers.filling() || p.access[i].score() < threshold(policy.Hot.Threshold, now) {
		return
	}
	if v.books.heat(p.size[i], policy.Hot.MaxRatio, v.limit.Load()) {
		p.tier[i] = Hot
	}
}

func (v *View) key(ord record.Ord) uint64 { return copyKey(v.space.ID(), ord) }

// Tier returns where a memory is; false if there is no such memory.
func (v *View) Tier(ord record.Ord) (Tier, bool) {
	p, i := v.table.at(ord)
	if p == nil {
		return none, false
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.tier[i], p.tier[i] != none
}

// Access returns the last access of a memory; false if there is no such memory.
func (v *View) Access(ord record.Ord) (record.Access, bool) {
	p, i := v.table.at(ord)
	if p == nil {
		return record.Access{}, false
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.access[i].unpack(), p.tier[i] != none
}
