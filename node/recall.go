package node

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	"github.com/engramd/engramd/node/metrics"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/spread"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/tier"
	"github.com/engramd/engramd/node/vector"
)

// A RecallQuery says what to remember: memories that are linked with Seeds, near to Vector, or both. The nearest are seeds as well, as
// active as they are similar.
type RecallQuery struct {
	Seeds  []Seed
	Vector []float32
	Metric vector.Metric
	Limit  int // how many hits, and how many of the nearest are seeds; 0: as many as spread.Defaults
	// Direct takes the seeds and the nearest as they are: no activation spreads.
	Direct bool
	// Spread says how activation spreads; its zero value is [spread.Defaults], and so are hops, fan-out and decay of zero. Its Limit is not used.
	// WithoutSeeds leaves out Seeds, not what is near.
	Spread spread.Options
	// Filter says which memories may be hits; what is near must pass it to become a seed. Others pass activation on all the same.
	Filter Filter
	// Learn counts an access of every hit, which raises its activation by that in the recall, and strengthens the excitatory edges
	// of its path a little. It is written within a second, and nobody waits for that.
	Learn       bool
	WithVectors bool // hits have their vectors
}

// A Recalled is a memory that came to mind.
type Recalled struct {
	Memory     Memory
	Activation float64  // above 0, to 1
	Similarity *float64 // to Vector, of the nearest; may be above 1 or below 0
	Tier       tier.Tier
	Decay      float64  // what the hops of Path left of it: decay^hops
	Path       []string // from a seed to the memory, both included
}

// A Recollection is what came to mind: activation descending, then similarity descending, then in the order in which it was first
// remembered.
type Recollection struct {
	Hits    []Recalled
	Partial bool     // the deadline came first: what there was by then
	Hops    int      // done
	Reached int      // memories that are active, hits or not
	Scanned int      // vectors that were looked at
	Absent  []string // seeds that are not there, which were ignored
}

// Recall remembers. What has expired, redirects or is damaged is never a hit. If there is neither a vector nor one of the seeds, that is
// ErrNotFound. When the deadline of ctx passes it returns what there is, marked partial.
func (n *Node) Recall(ctx context.Context, space string, q RecallQuery) (out Recollection, err error) {
	defer n.measure(metrics.Recall)(&err)
	defer n.reading()()
	if err := q.complete(); err != nil {
		return Recollection{}, err
	}
	err = n.in(space, func(s *store.Space) error {
		if err := s.Err(); err != nil {
			return err
		}
		r := recall{node: n, space: s, views: viewsOf(s), query: &q, near: map[record.Ord]vector.Hit{}, found: map[record.Ord]*found{}}
		var err error
		if out, err = r.run(ctx); err == nil && q.Learn {
			n.learner.learn(s, n.opts.Now(), out.Hits, r.paths)
		}
		return err
	})
	return out, err
}

// complete fills in defaults and checks q.
func (q *RecallQuery) complete() error {
	o, d := &q.Spread, spread.Defaults()
	if o.Hops == 0 && o.FanOut == 0 && o.Decay == 0 && o.Threshold == 0 {
		o.Threshold = d.Threshold
	}
	o.Hops, o.FanOut, o.Decay = cmp.Or(o.Hops, d.Hops), cmp.Or(o.FanOut, d.FanOut), cmp.Or(o.Decay, d.Decay)
	q.Limit = cmp.Or(q.Limit, d.Limit)
	o.Limit = q.Limit
	if err := o.Validate(); err != nil {
		return err
	}
	if len(q.Seeds) == 0 && len(q.Vector) == 0 {
		return &record.InvalidError{Field: "seeds", Reason: "are none, and there is no vector either: one of them says what to recall"}
	}
	if len(q.Seeds) > spread.MaxSeeds {
		return &record.InvalidError{Field: "seeds", Reason: "are too many"}
	}
	for _, seed := range q.Seeds {
		if !(seed.Activation > 0 && seed.Activation <= 1) {
			return &record.InvalidError{Field: "seeds", Reason: "have an activation outside (0, 1]"}
		}
	}
	return q.Filter.Validate()
}

// A recall is one Recall under way.
type recall struct {
	node  *Node
	space *store.Space
	views views
	query *RecallQuery

	named []spread.Seed             // Seeds
	near  map[record.Ord]vector.Hit // the nearest
	found map[record.Ord]*found     // what was kept, as it was read then
	paths [][]record.Ord            // of the hits
	late  int                       // how many were looked at since the deadline
	over  bool                      // there was no time to look at all
	err   error                     // that ended it
}

func (r *recall) run(ctx context.Context) (out Recollection, err error) {
	r.named, out.Absent = r.node.sow(r.space, r.query.Seeds)
	if len(r.named) == 0 && len(r.query.Vector) == 0 {
		return Recollection{}, notFound(out.Absent[0])
	}
	seeds := slices.Clone(r.named)
	if len(r.query.Vector) > 0 {
		nearest, err := r.nearest(ctx)
		if err != nil {
			return Recollection{}, err
		}
		out.Scanned, out.Partial = nearest.Scanned, nearest.Partial
		for _, h := range nearest.Hits {
			seeds = append(seeds, spread.Seed{Ord: h.Ord, Activation: activationOf(h.Score)})
		}
	}
	result, err := r.spread(ctx, seeds)
	if err = errors.Join(err, r.err); err != nil {
		return Recollection{}, err
	}
	out.Hops, out.Reached = result.Hops, result.Reached
	for _, h := range result.Hits {
		r.add(&out, h)
	}
	r.order(&out)
	out.Partial = out.Partial || result.Partial || r.over
	return out, nil
}

// least is the activation of what is not similar at all.
const least = 1.0 / (1 << 30)

// activationOf returns how active a memory becomes by being similar.
func activationOf(similarity float32) float64 { return min(1, max(least, float64(similarity))) }

// nearest returns the nearest that may be hits, and notes them.
func (r *recall) nearest(ctx context.Context) (vector.Result, error) {
	k := min(r.query.Limit, spread.MaxSeeds-len(r.named))
	if k == 0 {
		return vector.Result{}, nil
	}
	result, err := r.views.vectors.Search(ctx, vector.Query{
		Vector: r.query.Vector, K: k, Metric: r.query.Metric,
		Keep: func(ord record.Ord) bool { return r.read(ctx, ord, false) != nil },
	})
	if err = errors.Join(err, r.err); err != nil {
		return vector.Result{}, err
	}
	hits := result.Hits[:0]
	for _, h := range result.Hits {
		r.near[h.Ord] = h
		if r.keep(ctx, h.Ord) {
			hits = append(hits, h)
		} else {
			delete(r.near, h.Ord)
		}
	}
	result.Hits = hits
	return result, nil
}

// spread lets activation spread from seeds. Without time for that the seeds are what there is.
func (r *recall) spread(ctx context.Context, seeds []spread.Seed) (spread.Result, error) {
	if len(seeds) == 0 {
		return spread.Result{}, nil
	}
	o := r.query.Spread
	also := o.Keep
	o.WithoutSeeds = false
	without := map[record.Ord]bool{}
	if r.query.Spread.WithoutSeeds {
		for _, seed := range r.named {
			_, near := r.near[seed.Ord]
			without[seed.Ord] = !near
		}
	}
	o.Keep = func(ord record.Ord) bool {
		return !without[ord] && (also == nil || also(ord)) && r.keep(ctx, ord)
	}
	if r.query.Direct {
		return direct(seeds, o), nil
	}
	result, err := r.node.workers.spread(ctx, r.views.graph.Snapshot(), seeds, o)
	if errors.Is(err, context.DeadlineExceeded) {
		result, err = direct(seeds, o), nil
		result.Partial = true
	}
	return result, err
}

// direct is a spread of no hops.
func direct(seeds []spread.Seed, o spread.Options) (result spread.Result) {
	active := map[record.Ord]float64{}
	for _, seed := range seeds {
		active[seed.Ord] = min(1, active[seed.Ord]+seed.Activation)
	}
	result.Reached = len(active)
	for ord, a := range active {
		result.Hits = append(result.Hits, spread.Hit{Ord: ord, Activation: a, Path: []record.Ord{ord}})
	}
	slices.SortFunc(result.Hits, func(a, b spread.Hit) int {
		return cmp.Or(cmp.Compare(b.Activation, a.Activation), cmp.Compare(a.Ord, b.Ord))
	})
	kept := result.Hits[:0]
	for _, h := range result.Hits {
		if len(kept) == o.Limit {
			break
		}
		if o.Keep(h.Ord) {
			kept = append(kept, h)
		}
	}
	result.Hits = kept
	return result
}

// add adds a hit, unless a memory on its path was deleted meanwhile.
func (r *recall) add(out *Recollection, h spread.Hit) {
	names, f := named(r.space, []spread.Hit{h}), r.found[h.Ord]
	if len(names) == 0 || f == nil {
		return
	}
	a := names[0]
	hit := Recalled{
		Memory: f.memory, Activation: a.Activation, Tier: f.tier, Path: a.Path,
		Decay: math.Pow(r.query.Spread.Decay, float64(h.Hops())),
	}
	if near, ok := r.near[h.Ord]; ok {
		similarity := float64(near.Score)
		hit.Similarity = &similarity
	}
	out.Hits, r.paths = append(out.Hits, hit), append(r.paths, h.Path)
}

// order puts the more similar first among the equally active.
func (r *recall) order(out *Recollection) {
	places := make([]int, len(out.Hits))
	for i := range places {
		places[i] = i
	}
	similarity := func(i int) float64 {
		if s := out.Hits[i].Similarity; s != nil {
			return *s
		}
		return math.Inf(-1)
	}
	slices.SortStableFunc(places, func(a, b int) int {
		return cmp.Or(cmp.Compare(out.Hits[b].Activation, out.Hits[a].Activation), cmp.Compare(similarity(b), similarity(a)))
	})
	hits, paths := make([]Recalled, len(places)), make([][]record.Ord, len(places))
	for to, from := range places {
		hits[to], paths[to] = out.Hits[from], r.paths[from]
	}
	out.Hits, r.paths = hits, paths
}
