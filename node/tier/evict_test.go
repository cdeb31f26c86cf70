package tier_test

import (
	"errors"
	"testing"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/tier"
)

// TestMigrationEndsEarly: another sweep takes the place of a migration, and the end of Run ends it.
func TestMigrationEndsEarly(t *testing.T) {
	c := newClock()
	l := live(t, t.TempDir(), tier.Options{Now: c.Now, MigratePerSecond: 1000})
	s, v := l.space("default")
	fill(t, s, 3000, c.Now().Add(-10*tier.HalfLife), nil)
	checkpoint(t, l)
	l.tiers.EvictNow()
	eventually(t, "it has begun", func() bool { return v.Stats().Distribution.Cold > 0 })
	all := tier.Change{HotThreshold: new(0.0), WarmThreshold: new(0.0), HotMaxRatio: new(1.0), WarmMaxRatio: new(1.0)}
	if _, err := l.tiers.Change(all); err != nil {
		t.Fatal(err)
	}
	l.tiers.EvictNow() // nothing is to be evicted any more
	settled(t, l)
	some := v.Stats().Distribution.Cold
	if some >= 3000 {
		t.Errorf("%d are cold: the migration of before went on", some)
	}
	if _, err := l.tiers.Change(tier.Change{Owner: tier.Node}); err != nil {
		t.Fatal(err)
	}
	l.tiers.EvictNow()
	eventually(t, "it has begun again", func() bool { return v.Stats().Distribution.Cold > some })
	l.end()
	if d := v.Stats().Distribution; d.Cold >= 3000 || d.Total != 3000 {
		t.Errorf("%+v: the rate of 1,000/s does not bound it", d)
	}
}

// TestEvictSome: people may evict single memories; others stay where they are.
func TestEvictSome(t *testing.T) {
	c := newClock()
	p := tier.DefaultPolicy()
	p.Hot.MaxRatio = 1
	l := live(t, t.TempDir(), tier.Options{HotBytes: 8 << 20, Now: c.Now, Policy: p})
	s, v := l.space("default")
	fill(t, s, 100, c.Now(), func(int) float32 { return 1 })
	some := func(from, to int) (ords []record.Ord) {
		for i := to - 1; i >= from; i-- {
			ords = append(ords, mustOrd(t, s, id(i)))
		}
		return ords
	}
	for _, step := range []struct {
		ords []record.Ord
		to   tier.Tier
		n    int
		want tier.Distribution
	}{
		{some(0, 10), tier.Warm, 10, distribution(90, 10, 0)},
		{some(0, 10), tier.Warm, 0, distribution(90, 10, 0)},
		{append(some(5, 20), some(5, 20)...), tier.Cold, 15, distribution(80, 5, 15)},
		{some(5, 20), tier.Cold, 0, distribution(80, 5, 15)},
		{[]record.Ord{5000, 0}, tier.Cold, 0, distribution(80, 5, 15)},
	} {
		n, err := v.Evict(t.Context(), step.ords, step.to)
		if err != nil || n != step.n {
			t.Errorf("evict %v to %v: %d %v, want %d", step.ords, step.to, n, err, step.n)
		}
		wantDistribution(t, "evicted", v, step.want)
	}
	if _, err := v.Evict(t.Context(), nil, tier.Hot); !errors.Is(err, tier.ErrPolicy) {
		t.Errorf("evict to hot: %v", err)
	}
	for i := range 100 {
		if m, _ := mustGet(t, s, v, id(i)); m.Content != text(i) {
			t.Errorf("memory %d reads %q", i, m.Content)
		}
	}
	if err := v.Check(); err != nil {
		t.Error(err)
	}
}

// TestWhatIsNotInTheBaseYet moves too: a migration brings it there.
func TestWhatIsNotInTheBaseYet(t *testing.T) {
	c := newClock()
	l := live(t, t.TempDir(), tier.Options{Now: c.Now})
	s, v := l.space("default")
	fill(t, s, 200, c.Now().Add(-10*tier.HalfLife), nil)
	l.tiers.EvictNow()
	settled(t, l)
	wantDistribution(t, "without a checkpoint", v, distribution(0, 0, 200))
}
