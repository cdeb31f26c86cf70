package tier

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rowsOf makes a view that has these rows and no space: enough for cutting.
func rowsOf(t *testing.T, opts Options, rows []row) *View {
	t.Helper()
	tiers, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tiers.Close)
	v := &View{tiers: tiers, space: new(store.Space)}
	v.books.bars = map[int64]int64{}
	v.limit.Store(math.MaxInt64)
	for n, r := range rows {
		p, i := v.table.reach(record.Ord(n))
		p.access[i], p.size[i], p.tier[i] = packAccess(r.access), 1, r.tier
		if r.tier != none {
			v.books.count[r.tier]++
			v.books.bars[bucketOf(p.access[i].score())]++
		}
	}
	return v
}

type row struct {
	access record.Access
	tier   Tier
}

// TestScoresKeepTheirOrder: what is more active at one moment is so at any other.
func TestScoresKeepTheirOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		a := record.Access{Activation: r.Float32(), LastAt: noon.Add(-time.Duration(r.Int64N(int64(40 * HalfLife))))}
		b := record.Access{Activation: r.Float32(), LastAt: noon.Add(-time.Duration(r.Int64N(int64(40 * HalfLife))))}
		sa, sb := packAccess(a).score(), packAccess(b).score()
		if diff := sa - sb; diff > -3 && diff < 3 {
			continue
		}
		for _, at := range []time.Time{noon, noon.Add(HalfLife), noon.Add(30 * HalfLife)} {
			if (sa > sb) != (Activation(a, at) > Activation(b, at)) {
				t.Fatalf("%v and %v change their order at %v", a, b, at)
			}
			if x, y := Activation(a, at), sa.activation(at); math.Abs(x-y) > 1e-4*x+1e-300 {
				t.Fatalf("activation %v, by the score %v", x, y)
			}
		}
	}
}

func TestActivationHalves(t *testing.T) {
	a := record.Access{Activation: 0.8, LastAt: noon}
	for _, c := range []struct {
		after time.Duration
		want  float64
	}{{0, 0.8}, {HalfLife, 0.4}, {2 * HalfLife, 0.2}, {-time.Hour, 0.8}} {
		if got := Activation(a, noon.Add(c.after)); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("after %v: %v, want %v", c.after, got, c.want)
		}
	}
	if got := Activation(record.Access{LastAt: noon}, noon); got != 0 {
		t.Errorf("activation 0 is %v", got)
	}
	if got := neverScore.activation(noon); got != 0 {
		t.Errorf("the score of nothing gives %v", got)
	}
	ancient, nothing := scoreOf(1e-30, time.UnixMilli(0)), scoreOf(0, noon)
	if ancient <= nothing {
		t.Error("no activation is more than a little long ago")
	}
}

// population makes rows whose scores are spread, bunched or all the same.
func population(r *rand.Rand, n int) []row {
	rows := make([]row, n)
	spread := []time.Duration{0, time.Minute, HalfLife, 100 * HalfLife}[r.IntN(4)]
	for i := range rows {
		a := record.Access{Activation: []float32{0, 0.05, 0.1, 0.3, 1, r.Float32()}[r.IntN(6)], LastAt: noon}
		if spread > 0 {
			a.LastAt = noon.Add(-time.Duration(r.Int64N(int64(spread))))
		}
		rows[i] = row{a, Tier(r.IntN(tiers))}
	}
	rows[0].tier = none
	return rows
}

// reference returns how many of the scores, best first, may pass: at most n, none below least.
func reference(scores []score, n int64, least score) int64 {
	slices.SortFunc(scores, func(a, b score) int { return int(b - a) })
	var k int64
	for k < min(n, int64(len(scores))) && scores[k] >= least {
		k++
	}
	return k
}

// TestSweepAgainstSorting compares what sweeps leave with what sorting all memories says.
func TestSweepAgainstSorting(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 7))
		rows := population(r, 1+r.IntN(3*pageRows))
		p := DefaultPolicy()
		p.Hot.MaxRatio, p.Warm.MaxRatio = r.Float64(), r.Float64()
		p.Hot.Threshold, p.Warm.Threshold = []float64{0, 0.3, 1}[r.IntN(3)], 0
		if p.Hot.Threshold > 0 {
			p.Warm.Threshold = []float64{0, 0.1}[r.IntN(2)]
		}
		m := mode{evict: r.IntN(2) == 0, limit: math.MaxInt64}
		if r.IntN(3) == 0 {
			m.limit = r.Int64N(int64(len(rows)))
		}
		checkSweep(t, rows, p, m)
		if t.Failed() {
			t.Fatalf("seed %d: %+v %+v", seed, p, m)
		}
	}
}

func checkSweep(t *testing.T, rows []row, p Policy, m mode) {
	v := rowsOf(t, Options{Copies: &remembered{}}, rows)
	total := v.total()
	least := threshold(p.Hot.Threshold, noon)
	var all, warm []score
	var before, plainTop int64
	for _, r := range rows {
		s := packAccess(r.access).score()
		if r.tier != none && (!m.evict || r.tier == Hot) {
			all = append(all, s)
		}
		if r.tier == Hot {
			before++
		}
	}
	want := reference(all, min(m.limit, quota(p.Hot.MaxRatio, total)), least)
	_, passing := v.sweepHot(p, m, noon)
	if passing != want {
		t.Errorf("%d may be hot, want %d", passing, want)
	}
	count, _, _ := v.books.snapshot()
	if count[Hot] > passing || m.evict && count[Hot] != passing {
		t.Errorf("%d are hot, and %d may be", count[Hot], passing)
	}
	if v.total() != total {
		t.Errorf("%d memories of %d are left", v.total(), total)
	}
	checkBooks(t, v)

	plan, leaving := v.planMigration(p, m, passing, noon)
	var stay int64
	v.table.each(false, func(_ record.Ord, page *page, i int) {
		s := page.access[i].score()
		if !m.evict || page.tier[i] == Warm {
			warm = append(warm, s)
		}
		if m.evict && page.tier[i] == Cold {
			return
		}
		if plan.passes(page.tier[i], s) {
			stay++
			if page.tier[i] == Hot {
				plainTop++
			}
		}
	})
	n := quota(p.Warm.MaxRatio, total)
	if m.evict {
		want = reference(warm, n, threshold(p.Warm.Threshold, noon)) + count[Hot]
		if leaving != int64(len(warm))-(want-count[Hot]) {
			t.Errorf("%d leave, want %d", leaving, int64(len(warm))-(want-count[Hot]))
		}
	} else {
		want = reference(warm, passing+n, threshold(p.Warm.Threshold, noon))
	}
	if stay != want || plainTop != count[Hot] {
		t.Errorf("%d stay plain, %d of them hot; want %d and %d", stay, plainTop, want, count[Hot])
	}
}

// TestAccessedMeanwhile: what was to move when it was looked at, and has been accessed since, stays.
func TestAccessedMeanwhile(t *testing.T) {
	old := record.Access{Activation: 0.1, LastAt: noon}
	v := rowsOf(t, Options{Copies: &remembered{}}, []row{{}, {old, Warm}, {old, Cold}, {old, Hot}})
	b := &batch{view: v, cut: cut{score: packAccess(old).score()}}
	still := func(ord record.Ord, goal Tier) bool { return b.still(&moving{ord: ord, goal: goal}) }
	for ord, want := range map[record.Ord][2]bool{1: {true, false}, 2: {false, true}, 3: {false, false}} {
		if cold, warm := still(ord, Cold), still(ord, Warm); cold != want[0] || warm != want[1] {
			t.Errorf("memory %d may still become cold %v, warm %v; want %v", ord, cold, warm, want)
		}
	}
	v.touch(&record.Op{Kind: record.Touch, Ord: 1, Access: record.Access{Activation: 1, LastAt: noon}}, DefaultPolicy(), noon)
	if still(1, Cold) {
		t.Error("it was accessed, and would become cold")
	}
}

// checkBooks compares the sums with the rows.
func checkBooks(t *testing.T, v *View) {
	t.Helper()
	var count, bytes [tiers]int64
	bars := map[int64]int64{}
	v.table.each(false, func(_ record.Ord, p *page, i int) {
		count[p.tier[i]]++
		bytes[p.tier[i]] += int64(p.size[i])
		bars[bucketOf(p.access[i].score())]++
	})
	for _, of := range All {
		if v.books.count[of] != count[of] {
			t.Errorf("books say %d are %v, rows %d", v.books.count[of], of, count[of])
		}
	}
	if len(bars) != len(v.books.bars) {
		t.Errorf("books have %d bars, rows %d", len(v.books.bars), len(bars))
	}
	for k, n := range bars {
		if v.books.bars[k] != n {
			t.Errorf("bar %d: books say %d, rows %d", k, v.books.bars[k], n)
		}
	}
}

// remembered is Copies that do nothing but count.
type remembered struct{ dropped int }

func (*remembered) Get(uint64) (record.Value, bool) { return nil, false }
func (*remembered) Set(uint64, record.Value)        {}
func (r *remembered) Drop(uint64)                   { r.dropped++ }
func (*remembered) Clear()                          {}
func (*remembered) Resize(int64)                    {}
func (*remembered) Usage() Usage                    { return Usage{} }
func (*remembered) Close()                          {}
