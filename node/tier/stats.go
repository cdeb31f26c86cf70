package tier

import (
	"time"
	"unsafe"
)

// Distribution is how many memories are in each tier.
type Distribution struct {
	Hot   int64 `json:"hot"`
	Warm  int64 `json:"warm"`
	Cold  int64 `json:"cold"`
	Total int64 `json:"total"` // the sum of the others
}

func distributionOf(n [tiers]int64) Distribution {
	return Distribution{Hot: n[Hot], Warm: n[Warm], Cold: n[Cold], Total: n[Hot] + n[Warm] + n[Cold]}
}

// A Bar is how many memories have an activation from From on and below To; the last one includes To.
type Bar struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Count int64   `json:"count"`
}

// A Moved is how many memories went from one tier to another since the start, and how many a second in the last minute.
type Moved struct {
	From      Tier    `json:"from_tier"`
	To        Tier    `json:"to_tier"`
	Total     uint64  `json:"total"`
	PerSecond float64 `json:"per_second"`
}

// SpaceStats are those of one space.
type SpaceStats struct {
	Distribution Distribution `json:"tier_distribution"`
	// Desired is where memories would be if everything were swept at this moment: what eviction and migration still have to do.
	Desired Distribution `json:"desired_distribution"`
	// StoredBytes are the values in the base.
	StoredBytes Distribution `json:"stored_bytes"`
	// Histogram is of the activations of this moment. Bars are off by at most 1.1 % of their edges.
	Histogram []Bar `json:"activation_histogram"`
	// Dictionaries is how many the cold tier of the space has been compressed with.
	Dictionaries int  `json:"dictionaries"`
	Migrating    bool `json:"migrating"`
	// IndexBytes is what is resident for every memory, hot or not.
	IndexBytes int64 `json:"index_bytes"`
	// Hits and Misses are reads of hot memories that found a copy, or none.
	Hits   int64 `json:"hot_hits_total"`
	Misses int64 `json:"hot_misses_total"`
}

// Stats are those of a node.
type Stats struct {
	SpaceStats
	HotResident Usage   `json:"hot_resident"`
	Moves       []Moved `json:"moves"`
	// Owner is who sweeps: Node, or who took the settings.
	Owner    string   `json:"owner"`
	Settings Settings `json:"-"`
	// Pressure is the level of memory, and Exhausted that nothing is left to evict.
	Pressure  string `json:"memory_pressure"`
	Exhausted bool   `json:"exhausted"`
}

// Stats tells about a space.
func (v *View) Stats() SpaceStats {
	count, bytes, _ := v.books.snapshot()
	return SpaceStats{
		Distribution: distributionOf(count), StoredBytes: distributionOf(bytes),
		Histogram:    v.histogram(v.tiers.opts.Now()),
		Desired:      v.desired(v.tiers.Settings().Policy, v.tiers.opts.Now()),
		Dictionaries: len(v.codec.list()),
		Migrating:    v.wanted.Load() != nil || v.moving.Load(),
		IndexBytes:   v.indexBytes(),
		Hits:         v.hits.Load(), Misses: v.misses.Load(),
	}
}

const bars = 10

func emptyHistogram() []Bar {
	out := make([]Bar, bars)
	for i := range out {
		out[i].From, out[i].To = float64(i)/bars, float64(i+1)/bars
	}
	return out
}

// histogram returns the activations of all memories at now: each bar of the scores counts where its middle is.
func (v *View) histogram(now time.Time) []Bar {
	out := emptyHistogram()
	for _, b := range v.books.ranking().bars {
		x := middle(b.bucket).activation(now)
		out[min(bars-1, int(x*bars))].Count += b.count
	}
	return out
}

// desired returns the distribution that the policy wants, from the histogram alone.
func (v *View) desired(p Policy, now time.Time) Distribution {
	r := v.books.ranking()
	above := func(x float64) (n int64) {
		for _, b := range r.bars {
			if x <= 0 || middle(b.bucket).activation(now) >= x {
				n += b.count
			}
		}
		return n
	}
	hot := min(v.limit.Load(), quota(p.Hot.MaxRatio, r.total), above(p.Hot.Threshold))
	plain := min(hot+quota(p.Warm.MaxRatio, r.total), max(hot, above(p.Warm.Threshold)))
	return distributionOf([tiers]int64{Hot: hot, Warm: plain - hot, Cold: r.total - plain})
}

// middle is the score in the middle of a bar.
func middle(bucket int64) score { return score(bucket<<fineBits + 1<<(fineBits-1)) }

func (v *View) indexBytes() int64 {
	n := int64(len(v.table.all())) * int64(unsafe.Sizeof(page{}))
	for _, d := range v.codec.list() {
		n += int64(len(d.bytes))
	}
	return n
}

// Stats tells about all spaces together.
func (t *Tiers) Stats() Stats {
	now, s := t.opts.Now(), t.Settings()
	out := Stats{
		SpaceStats:  SpaceStats{Histogram: emptyHistogram()},
		HotResident: t.copies.Usage(), Owner: s.Owner, Settings: s, Exhausted: t.Exhausted(), Pressure: t.pressure().String(),
	}
	for _, v := range t.open() {
		out.SpaceStats.add(v.Stats())
	}
	sum := t.moves()
	for _, m := range []Moved{{From: Hot, To: Warm}, {From: Warm, To: Cold}, {From: Cold, To: Warm}, {From: Warm, To: Hot}} {
		m.Total, m.PerSecond = sum[m.From][m.To], t.meter.rate(now, sum, m.From, m.To)
		out.Moves = append(out.Moves, m)
	}
	return out
}

func (s *SpaceStats) add(o SpaceStats) {
	s.Distribution.add(o.Distribution)
	s.Desired.add(o.Desired)
	s.StoredBytes.add(o.StoredBytes)
	for i := range s.Histogram {
		s.Histogram[i].Count += o.Histogram[i].Count
	}
	s.Dictionaries += o.Dictionaries
	s.Migrating = s.Migrating || o.Migrating
	s.IndexBytes += o.IndexBytes
	s.Hits += o.Hits
	s.Misses += o.Misses
}

func (d *Distribution) add(o Distribution) {
	d.Hot += o.Hot
	d.Warm += o.Warm
	d.Cold += o.Cold
	d.Total += o.Total
}
