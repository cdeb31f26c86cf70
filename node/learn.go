package node

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/tier"
)

const (
	// learnEvery is the time between two writes of what was learned.
	learnEvery = 500 * time.Millisecond
	// maxLearning bounds how many memories and edges wait to be written.
	maxLearning = 100_000
	// learnRate is how much of what a weight lacks to 1 one use of the edge gives it.
	learnRate = 0.02
	// perLesson is how many changes are made durable together.
	perLesson = 1000
)

// A learner gathers what recall learns and writes it every learnEvery. An access raises the activation of a memory, as it is at that moment, to
//
//	min(1, activation + activation in the recall)
//
// and each use of an excitatory edge raises its weight by 0.02 x (1 - weight). Many accesses of one memory between two writes become one change, and so
// do uses of one edge. Nobody was promised anything: what a crash takes was not acknowledged, and what there is no room for is counted and
// dropped.
type learner struct {
	mu      sync.Mutex
	waiting lessons

	dropped, touched, strengthened atomic.Uint64
}

// lessons is what waits to be written.
type lessons struct {
	touches map[place]touch
	uses    map[link]int
}

// A place is a memory of a space.
type place struct {
	space *store.Space
	ord   record.Ord
}

// A touch is the accesses of one memory.
type touch struct {
	id         string // an ordinal may be given to another memory meanwhile
	activation float64
	count      uint32
	at         time.Time
}

// A link is an edge of a space.
type link struct {
	space    *store.Space
	from, to record.Ord
	ids      [2]string
}

// Learning is what recalls learned so far.
type Learning struct {
	Waiting      int    // memories and edges that wait to be written
	Touched      uint64 // accesses that were written; many of one memory at once count once
	Strengthened uint64 // edges that were written
	Dropped      uint64 // memories and edges for which there was no room, or which the store refused for good
}

// Learning tells what recalls learned since the start.
func (n *Node) Learning() Learning {
	l := &n.learner
	l.mu.Lock()
	defer l.mu.Unlock()
	return Learning{Waiting: l.waiting.len(), Touched: l.touched.Load(), Strengthened: l.strengthened.Load(), Dropped: l.dropped.Load()}
}

func (w *lessons) len() int { return len(w.touches) + len(w.uses) }

// learn notes the hits of a recall at a moment. It waits for nobody.
func (l *learner) learn(s *store.Space, at time.Time, hits []Recalled, paths [][]record.Ord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range hits {
		h, ords := &hits[i], paths[i]
		l.touch(place{s, ords[len(ords)-1]}, touch{id: h.Memory.ID, activation: h.Activation, count: 1, at: at})
		for k := range len(ords) - 1 {
			l.use(link{s, ords[k], ords[k+1], [2]string{h.Path[k], h.Path[k+1]}}, 1)
		}
	}
}

// access notes an access of one memory.
func (l *learner) access(s *store.Space, at time.Time, id string, activation float64) {
	ord, _, ok := s.Lookup(id)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.touch(place{s, ord}, touch{id: id, activation: activation, count: 1, at: at})
}

// touch adds accesses. l is locked.
func (l *learner) touch(p place, t touch) {
	if old, ok := l.waiting.touches[p]; ok && old.id == t.id {
		t.activation, t.count = t.activation+old.activation, t.count+old.count
		if old.at.After(t.at) {
			t.at = old.at
		}
	} else if !ok && !l.room() {
		return
	}
	if l.waiting.touches == nil {
		l.waiting.touches = map[place]touch{}
	}
	l.waiting.touches[p] = t
}

// use adds uses of an edge. l is locked.
func (l *learner) use(e link, times int) {
	if _, ok := l.waiting.uses[e]; !ok && !l.room() {
		return
	}
	if l.waiting.uses == nil {
		l.waiting.uses = map[link]int{}
	}
	l.waiting.uses[e] += times
}

func (l *learner) room() bool {
	if l.waiting.len() < maxLearning {
		return true
	}
	l.dropped.Add(1)
	return false
}

// runLearning writes what was learned until ctx ends, and once more then.
func (n *Node) runLearning(ctx context.Context) error {
	tick := time.NewTicker(learnEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			n.writeLessons(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			n.writeLessons(last)
			cancel()
			return nil
		}
	}
}

// writeLessons writes what waits. What the store refuses for now waits on.
func (n *Node) writeLessons(ctx context.Context) {
	done, err := n.writing()
	if err != nil {
		return // maintenance mode
	}
	defer done()
	l := &n.learner
	l.mu.Lock()
	todo := l.waiting
	l.waiting = lessons{}
	l.mu.Unlock()
	n.writeTouches(ctx, todo.touches)
	n.writeUses(ctx, todo.uses)
}

func (n *Node) writeTouches(ctx context.Context, touches map[place]touch) {
	groups := map[*store.Space][]place{}
	for p := range touches {
		groups[p.space] = append(groups[p.space], p)
	}
	for s, places := range groups {
		for len(places) > 0 {
			k := min(perLesson, len(places))
			n.touch(ctx, s, places[:k], touches)
			places = places[k:]
		}
	}
}

// touch writes accesses of one space.
func (n *Node) touch(ctx context.Context, s *store.Space, places []place, touches map[place]touch) {
	v := viewsOf(s)
	var changes []store.Change
	var of []place
	for _, p := range places {
		t := touches[p]
		version := s.Version(p.ord)
		if id, ok := s.RecordID(p.ord); !ok || id != t.id {
			continue // deleted
		}
		a, _ := v.tiers.Access(p.ord)
		changes = append(changes, store.Change{Kind: record.Touch, Ord: p.ord, IfVersion: version, Access: accessed(a, t)})
		of = append(of, p)
	}
	n.learned(ctx, s, changes, &n.learner.touched, func(i int) { n.learner.touch(of[i], touches[of[i]]) })
}

// accessed returns the access of a memory after t.
func accessed(a record.Access, t touch) record.Access {
	return record.Access{
		Activation: float32(min(1, tier.Activation(a, t.at)+t.activation)),
		Count:      a.Count + min(t.count, math.MaxUint32-a.Count),
		LastAt:     later(a.LastAt, t.at),
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (n *Node) writeUses(ctx context.Context, uses map[link]int) {
	groups := map[*store.Space][]link{}
	for e := range uses {
		groups[e.space] = append(groups[e.space], e)
	}
	for s, links := range groups {
		for len(links) > 0 {
			k := min(perLesson, len(links))
			n.strengthen(ctx, s, links[:k], uses)
			links = links[k:]
		}
	}
}

// strengthen writes weights of one space. Nobody links meanwhile, so that no weight that somebody set is overwritten by one
// that was reckoned from another.
func (n *Node) strengthen(ctx context.Context, s *store.Space, links []link, uses map[link]int) {
	n.linking.Lock()
	defer n.linking.Unlock()
	g := viewsOf(s).graph.Snapshot()
	var changes []store.Change
	var of []link
	for _, e := range links {
		w, ok := g.Weight(e.from, e.to)
		if stronger := strengthened(w, uses[e]); ok && stronger != w && is(s, e.from, e.ids[0]) && is(s, e.to, e.ids[1]) {
			changes = append(changes, store.Change{Kind: record.Strengthen, Ord: e.from, To: e.to, Weight: stronger})
			of = append(of, e)
		}
	}
	n.learned(ctx, s, changes, &n.learner.strengthened, func(i int) { n.learner.use(of[i], uses[of[i]]) })
}

func is(s *store.Space, ord record.Ord, id string) bool {
	now, ok := s.RecordID(ord)
	return ok && now == id
}

// strengthened returns the weight of an edge after some uses. An inhibitory edge stays as it is.
func strengthened(w record.Weight, uses int) record.Weight {
	if w <= 0 {
		return w
	}
	lack := (1 - w.Float64()) * math.Pow(1-learnRate, float64(uses))
	return max(w, record.Weight(math.Round((1-lack)*float64(record.WeightOne))))
}

// learned applies changes. What the store refuses for now is taken back by again, and what it refuses for good is dropped.
func (n *Node) learned(ctx context.Context, s *store.Space, changes []store.Change, written *atomic.Uint64, again func(i int)) {
	if len(changes) == 0 {
		return
	}
	l := &n.learner
	results, err := s.Apply(ctx, changes)
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range changes {
		failed := err
		if err == nil {
			failed = results[i].Err
		}
		switch {
		case failed == nil:
			written.Add(1)
		case errors.Is(failed, ErrFull), errors.Is(failed, ErrBusy), errors.Is(failed, ErrVersion):
			again(i)
		case !errors.Is(failed, ErrNotFound):
			l.dropped.Add(1)
		}
	}
}
