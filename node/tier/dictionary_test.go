package tier_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/tier"
)

// TestMissingDictionary: what cannot be decompressed is an error that names the memory; everything else goes on.
func TestMissingDictionary(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	opts := tier.Options{Now: c.Now}
	l := live(t, dir, opts)
	s, v := l.space("default")
	fill(t, s, 1500, c.Now().Add(-10*tier.HalfLife), nil)
	checkpoint(t, l)
	l.tiers.EvictNow()
	settled(t, l)
	wantDistribution(t, "all", v, distribution(0, 0, 1500))
	if err := s.SetMeta("tier/dictionary/1", []byte("short")); err != nil {
		t.Fatal(err)
	}
	l.end()

	l = live(t, dir, opts)
	s, v = l.space("default")
	ord := mustOrd(t, s, id(7))
	if _, err := v.Get(ord, new(record.Memory)); !errors.Is(err, record.ErrCorrupt) || !strings.Contains(err.Error(), id(7)) {
		t.Errorf("get: %v", err)
	}
	apply(t, s, put(memory(id(7), "healed", c.Now())), touch(id(7), 1, c.Now()), touch(id(8), 1, c.Now()))
	if m, _ := mustGet(t, s, v, id(7)); m.Content != "healed" {
		t.Errorf("reads %q", m.Content)
	}
	checkpoint(t, l)
	l.tiers.EvictNow()
	settled(t, l)
	wantDistribution(t, "the damaged ones stay where they are", v, distribution(1, 0, 1499))
}

// TestAnotherDictionary: a space that has grown gets another one, and what the first one compressed is still read.
func TestAnotherDictionary(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	opts := tier.Options{Now: c.Now, MigratePerSecond: 1 << 20}
	l := live(t, dir, opts)
	s, v := l.space("default")
	have := 0
	for i, n := range []int{999, 1001, 8100} {
		fillFrom(t, s, have, n, c.Now().Add(-10*tier.HalfLife), nil)
		have = n
		checkpoint(t, l)
		l.tiers.EvictNow()
		settled(t, l)
		wantDistribution(t, "all are cold", v, distribution(0, 0, int64(n)))
		if got := v.Stats().Dictionaries; got != i {
			t.Errorf("%d memories: %d dictionaries, want %d", n, got, i)
		}
	}
	l.end()
	l = live(t, dir, opts)
	s, v = l.space("default")
	if got := v.Stats().Dictionaries; got != 2 {
		t.Errorf("%d dictionaries after a restart", got)
	}
	for i := range 8100 {
		if m, where := mustGet(t, s, v, id(i)); m.Content != text(i) || where != tier.Cold {
			t.Fatalf("memory %d reads %q from %v", i, m.Content, where)
		}
	}
}
