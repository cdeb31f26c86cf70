package tier_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/tier"
	"github.com/google/go-cmp/cmp"
)

func distribution(hot, warm, cold int64) tier.Distribution {
	return tier.Distribution{Hot: hot, Warm: warm, Cold: cold, Total: hot + warm + cold}
}

func wantDistribution(t testing.TB, when string, v *tier.View, want tier.Distribution) {
	t.Helper()
	if diff := cmp.Diff(want, v.Stats().Distribution); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

// TestGuidesRebalancing is the guide's procedure: evict-now enforces the ratios whatever the thresholds, which only take more away.
func TestGuidesRebalancing(t *testing.T) {
	c := newClock()
	l := live(t, t.TempDir(), tier.Options{HotBytes: 8 << 20, Now: c.Now})
	s, v := l.space("default")
	fill(t, s, 2000, c.Now(), func(i int) float32 { return float32(i%100+1) / 100 })
	wantDistribution(t, "accesses fill the hot tier up to its ratio", v, distribution(200, 1800, 0))
	checkpoint(t, l)

	if _, err := l.tiers.Change(tier.Change{HotThreshold: new(0.2), WarmThreshold: new(0.05)}); err != nil {
		t.Fatal(err)
	}
	if got, want := l.tiers.EvictNow(), (tier.Swept{WarmToCold: 1200}); got != want {
		t.Errorf("evict-now says %+v, want %+v", got, want)
	}
	settled(t, l)
	wantDistribution(t, "lower thresholds, but the ratios hold", v, distribution(200, 600, 1200))

	if _, err := l.tiers.Change(tier.Change{HotThreshold: new(0.9), WarmThreshold: new(0.9)}); err != nil {
		t.Fatal(err)
	}
	before := v.Stats().Distribution
	swept := l.tiers.EvictNow()
	settled(t, l)
	after := v.Stats().Distribution
	if after.Hot >= before.Hot || after.Hot != before.Hot-swept.HotToWarm || after.Warm >= before.Warm || after.Total != 2000 {
		t.Errorf("raised thresholds: %+v, then %+v, by %+v", before, after, swept)
	}
	for i := range 2000 {
		m, where := mustGet(t, s, v, id(i))
		now, _ := v.Tier(mustOrd(t, s, id(i)))
		if m.Content != text(i) || (where == tier.Cold) != (now == tier.Cold) {
			t.Fatalf("memory %d of %v reads %q from %v", i, now, m.Content, where)
		}
		if a := tier.Activation(m.Access, c.Now()); now != tier.Cold && a < 0.9-1e-6 {
			t.Fatalf("memory %d of activation %v is %v", i, a, now)
		}
	}
	stats := l.tiers.Stats()
	if got := moved(stats, tier.Warm, tier.Cold); got != uint64(after.Cold) {
		t.Errorf("%d moves from warm to cold, and %d are cold", got, after.Cold)
	}
	if got := moved(stats, tier.Hot, tier.Warm); got != uint64(swept.HotToWarm) {
		t.Errorf("%d moves from hot to warm, and %d were told", got, swept.HotToWarm)
	}
}

func mustOrd(t testing.TB, s *store.Space, id string) record.Ord {
	t.Helper()
	ord, _, ok := s.Lookup(id)
	if !ok {
		t.Fatalf("no memory %s", id)
	}
	return ord
}

func moved(s tier.Stats, from, to tier.Tier) uint64 {
	for _, m := range s.Moves {
		if m.From == from && m.To == to {
			return m.Total
		}
	}
	return math.MaxUint64
}

// TestLifeOfAMemory walks one memory through every tier and every change.
func TestLifeOfAMemory(t *testing.T) {
	c := newClock()
	p := tier.DefaultPolicy()
	p.Hot.MaxRatio, p.Warm.MaxRatio = 1, 1
	l := live(t, t.TempDir(), tier.Options{HotBytes: 8 << 20, Now: c.Now, Policy: p})
	s, v := l.space("default")
	ord := apply(t, s, put(memory("a", "first", c.Now())))[0].Ord
	expect := func(when string, in, from tier.Tier, content string) {
		t.Helper()
		m, where := mustGet(t, s, v, "a")
		now, ok := v.Tier(ord)
		if !ok || now != in || where != from || m.Content != content {
			t.Errorf("%s: %q is in %v and read from %v; want %q in %v from %v", when, m.Content, now, where, content, in, from)
		}
	}
	evict := func() {
		t.Helper()
		checkpoint(t, l)
		l.tiers.EvictNow()
		settled(t, l)
	}
	expect("put", tier.Warm, tier.Warm, "first")
	if a, ok := v.Access(ord); !ok || !a.LastAt.Equal(c.Now()) || a.Activation != 1 || a.Count != 0 {
		t.Errorf("a memory that was never accessed: %+v", a)
	}
	apply(t, s, touch("a", 0.9, c.Now()))
	expect("touched: no copy yet", tier.Hot, tier.Warm, "first")
	eventually(t, "a copy", func() bool { _, where := mustGet(t, s, v, "a"); return where == tier.Hot })
	apply(t, s, put(memory("a", "second", c.Now())))
	expect("put again: the copy is of another version", tier.Hot, tier.Warm, "second")
	eventually(t, "a copy", func() bool { m, where := mustGet(t, s, v, "a"); return where == tier.Hot && m.Content == "second" })

	c.add(2 * tier.HalfLife) // 0.225
	evict()
	expect("below 0.3", tier.Warm, tier.Warm, "second")
	c.add(2 * tier.HalfLife) // 0.056
	evict()
	expect("below 0.1", tier.Cold, tier.Cold, "second")
	if m, _ := mustGet(t, s, v, "a"); m.Access.Count != 1 || m.Access.Activation != 0.9 {
		t.Errorf("its access moved as well: %+v", m.Access)
	}
	apply(t, s, put(memory("a", "third", c.Now())))
	expect("a put makes it warm", tier.Warm, tier.Warm, "third")
	evict()
	expect("and it is evicted again, for a put is no access", tier.Cold, tier.Cold, "third")
	apply(t, s, touch("a", 1, c.Now()))
	expect("an access alone moves nothing in the base", tier.Cold, tier.Cold, "third")
	apply(t, s, store.Change{Kind: record.Delete, ID: "a"})
	wantDistribution(t, "deleted", v, distribution(0, 0, 0))
	if _, ok := v.Tier(ord); ok {
		t.Error("it still is somewhere")
	}
	if _, ok := v.Access(ord); ok {
		t.Error("it still has an access")
	}
	if _, err := v.Get(ord, new(record.Memory)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("get: %v", err)
	}
	if _, err := v.Get(ord+100_000, new(record.Memory)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("get of what never was: %v", err)
	}
	if st := v.Stats(); st.StoredBytes.Total != 0 {
		t.Errorf("nothing takes %+v bytes", st.StoredBytes)
	}
}

// TestIntervals: sweeps at the policy's intervals do what is due in both directions, and those of an owner are left to it.
func TestIntervals(t *testing.T) {
	c := newClock()
	p := tier.DefaultPolicy()
	p.Hot.Every, p.Warm.Every = time.Second, time.Second
	l := live(t, t.TempDir(), tier.Options{HotBytes: 8 << 20, Now: c.Now, Policy: p})
	s, v := l.space("default")
	fill(t, s, 1000, c.Now(), nil)
	checkpoint(t, l)
	c.add(2 * time.Second)
	eventually(t, "the first sweep", func() bool { return v.Stats().Distribution == distribution(100, 300, 600) })
	settled(t, l)
	if diff := cmp.Diff(distribution(100, 300, 600), v.Stats().Desired); diff != "" {
		t.Errorf("what is desired (-want +got):\n%s", diff)
	}

	var changes []store.Change
	for i := 900; i < 950; i++ {
		changes = append(changes, touch(id(i), 1, c.Now()))
	}
	apply(t, s, changes...)
	hot := func() (n int) {
		for i := 900; i < 950; i++ {
			if where, _ := v.Tier(mustOrd(t, s, id(i))); where == tier.Hot {
				n++
			}
		}
		return n
	}
	eventually(t, "what was accessed became warm, and then hot", func() bool {
		c.add(2 * time.Second)
		return hot() == 50
	})
	settled(t, l)
	wantDistribution(t, "others made room", v, distribution(100, 300, 600))

	if _, err := l.tiers.Change(tier.Change{Owner: "agent", WarmThreshold: new(1.0), HotThreshold: new(1.0)}); err != nil {
		t.Fatal(err)
	}
	l.tiers.EvictNow()
	settled(t, l)
	wantDistribution(t, "when it says so", v, distribution(0, 0, 1000))
	if got := l.tiers.Stats().Owner; got != "agent" {
		t.Errorf("owner %q", got)
	}
}

// TestRestart: tiers follow from the base and the accesses in it, dictionaries included.
func TestRestart(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	opts := tier.Options{HotBytes: 8 << 20, Now: c.Now}
	l := live(t, dir, opts)
	s, v := l.space("default")
	fill(t, s, 1500, c.Now(), func(i int) float32 { return float32(i%10+1) / 10 })
	checkpoint(t, l)
	l.tiers.EvictNow()
	settled(t, l)
	before := v.Stats()
	if before.Distribution.Cold != 900 || before.Dictionaries != 1 {
		t.Fatalf("before: %+v", before)
	}
	apply(t, s, put(memory(id(1499), "changed after the checkpoint", c.Now())), touch(id(3), 0.7, c.Now().Add(time.Hour)))
	l.end()

	l = live(t, dir, opts)
	s, v = l.space("default")
	after := v.Stats()
	if after.Distribution.Total != 1500 || after.Distribution.Hot != 150 || after.Dictionaries != 1 {
		t.Errorf("after: %+v", after)
	}
	if diff := after.Distribution.Cold - before.Distribution.Cold; diff < -1 || diff > 0 {
		t.Errorf("%d are cold, %d were", after.Distribution.Cold, before.Distribution.Cold)
	}
	if got := moved(l.tiers.Stats(), tier.Warm, tier.Hot); got != 0 {
		t.Errorf("the start counts as %d moves", got)
	}
	for i := range 1500 {
		want := text(i)
		if i == 1499 {
			want = "changed after the checkpoint"
		}
		if m, _ := mustGet(t, s, v, id(i)); m.Content != want {
			t.Fatalf("memory %d reads %q", i, m.Content)
		}
	}
	if m, _ := mustGet(t, s, v, id(3)); m.Access.Activation != 0.7 || !m.Access.LastAt.Equal(c.Now().Add(time.Hour)) {
		t.Errorf("access %+v", m.Access)
	}
}

// TestHistogram: activations are those of the moment, and nothing sweeps for it.
func TestHistogram(t *testing.T) {
	c := newClock()
	l := live(t, t.TempDir(), tier.Options{Now: c.Now})
	s, v := l.space("default")
	fill(t, s, 1000, c.Now(), func(i int) float32 { return float32(i%10)/10 + 0.05 })
	counts := func() (out []int64) {
		for _, b := range v.Stats().Histogram {
			out = append(out, b.Count)
		}
		return out
	}
	if diff := cmp.Diff([]int64{100, 100, 100, 100, 100, 100, 100, 100, 100, 100}, counts()); diff != "" {
		t.Errorf("now (-want +got):\n%s", diff)
	}
	c.add(tier.HalfLife)
	if diff := cmp.Diff([]int64{200, 200, 200, 200, 200, 0, 0, 0, 0, 0}, counts()); diff != "" {
		t.Errorf("a day later (-want +got):\n%s", diff)
	}
	if d := v.Stats().Desired; d.Hot != 100 || d.Warm != 300 {
		t.Errorf("desired: %+v", d)
	}
	c.add(tier.HalfLife)
	if d := v.Stats().Desired; d != distribution(0, 300, 700) {
		t.Errorf("nothing is above 0.3 any more, and 0.1 is a lot: desired %+v", d)
	}
	c.add(29 * tier.HalfLife)
	if d := v.Stats().Desired; d != distribution(0, 0, 1000) {
		t.Errorf("a month later: desired %+v", d)
	}
	if diff := cmp.Diff([]int64{1000, 0, 0, 0, 0, 0, 0, 0, 0, 0}, counts()); diff != "" {
		t.Errorf("a month later (-want +got):\n%s", diff)
	}
}

// TestSpacesAreApart: ratios hold in each space, sums are of all, and a dropped one leaves nothing.
func TestSpacesAreApart(t *testing.T) {
	c := newClock()
	l := live(t, t.TempDir(), tier.Options{HotBytes: 8 << 20, Now: c.Now})
	one, v1 := l.space("one")
	two, v2 := l.space("two")
	fill(t, one, 1000, c.Now(), func(int) float32 { return 1 })
	fill(t, two, 200, c.Now(), func(int) float32 { return 1 })
	wantDistribution(t, "one", v1, distribution(100, 900, 0))
	wantDistribution(t, "two", v2, distribution(20, 180, 0))
	if diff := cmp.Diff(distribution(120, 1080, 0), l.tiers.Stats().Distribution); diff != "" {
		t.Errorf("together (-want +got):\n%s", diff)
	}
	for i := range 200 {
		mustGet(t, one, v1, id(i))
		mustGet(t, two, v2, id(i))
	}
	if err := l.Drop(t.Context(), "two"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(distribution(100, 900, 0), l.tiers.Stats().Distribution); diff != "" {
		t.Errorf("one alone (-want +got):\n%s", diff)
	}
	if _, err := v2.Get(1, new(record.Memory)); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("get from a dropped space: %v", err)
	}
	eventually(t, "its copies are gone", func() bool { return l.tiers.Stats().HotResident.Records <= 100 })
	l.tiers.EvictNow()
}

// TestHotTierSize: the copies follow the size while everything runs.
func TestHotTierSize(t *testing.T) {
	c := newClock()
	p := tier.DefaultPolicy()
	p.Hot.MaxRatio, p.Warm.MaxRatio = 1, 1
	l := live(t, t.TempDir(), tier.Options{HotBytes: 32 << 20, Now: c.Now, Policy: p})
	s, v := l.space("default")
	fill(t, s, 5000, c.Now(), func(int) float32 { return 1 })
	readAll := func() {
		for i := range 5000 {
			mustGet(t, s, v, id(i))
		}
	}
	usage := func() tier.Usage { return l.tiers.Stats().HotResident }
	eventually(t, "copies of all", func() bool { readAll(); return usage().Records == 5000 })
	eventually(t, "reads find them", func() bool {
		before := v.Stats()
		readAll()
		after := v.Stats()
		return after.Hits == before.Hits+5000 && after.Misses == before.Misses
	})
	for _, bytes := range []int64{2 << 20, 0} {
		if _, err := l.tiers.Change(tier.Change{HotBytes: &bytes}); err != nil {
			t.Fatal(err)
		}
		readAll()
		eventually(t, fmt.Sprintf("copies fit into %d bytes", bytes), func() bool {
			u := usage() // the cache takes sets and drops in order, a moment later
			return u.Bytes <= bytes && (bytes > 0 || u.Records == 0) && u.LimitBytes == bytes
		})
	}
	wantDistribution(t, "what may be hot stays so", v, distribution(5000, 0, 0))
}

func TestTierNames(t *testing.T) {
	for _, want := range tier.All {
		b, err := want.MarshalText()
		var got tier.Tier
		if err = errors.Join(err, got.UnmarshalText(b)); err != nil || got != want || fmt.Sprint(want) != string(b) {
			t.Errorf("%v: %v %v", want, got, err)
		}
	}
	if _, err := tier.Parse("tepid"); err == nil {
		t.Error("tepid is a tier")
	}
}
