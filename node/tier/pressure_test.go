package tier_test

import (
	"sync/atomic"
	"testing"

	"github.com/engramd/engramd/node/pressure"
	"github.com/engramd/engramd/node/tier"
)

// TestPressure: a gauge that rises evicts, empties, and in the end says that nothing is left.
func TestPressure(t *testing.T) {
	c := newClock()
	var used, returned atomic.Int64
	gauge := pressure.New(pressure.Options{Read: func() (pressure.Reading, error) {
		return pressure.Reading{Bounds: []pressure.Bound{{Name: "test", UsedBytes: used.Load(), LimitBytes: 100}}}, nil
	}})
	l := live(t, t.TempDir(), tier.Options{
		HotBytes: 8 << 20, Now: c.Now, Pressure: gauge, ReturnMemory: func() { returned.Add(1) },
	})
	s, v := l.space("default")
	fill(t, s, 1000, c.Now(), func(int) float32 { return 1 })
	eventually(t, "copies", func() bool {
		for i := range 1000 {
			mustGet(t, s, v, id(i))
		}
		return l.tiers.Stats().HotResident.Records == 100
	})
	tell := func(percent int64) {
		used.Store(percent)
		gauge.Sample()
	}
	tell(85)
	eventually(t, "the worse half is evicted", func() bool {
		st := l.tiers.Stats()
		return st.Distribution.Hot == 50 && st.HotResident.Records <= 50 && st.Pressure == "high"
	})
	apply(t, s, touch(id(999), 1, c.Now()))
	for i := range 1000 {
		mustGet(t, s, v, id(i))
	}
	if st := l.tiers.Stats(); st.Distribution.Hot != 50 || st.HotResident.Records > 50 {
		t.Errorf("under pressure something becomes hot: %+v", st.Distribution)
	}
	tell(95)
	eventually(t, "everything is evicted, and memory returned", func() bool { return returned.Load() == 1 })
	if st := l.tiers.Stats(); st.Distribution.Hot != 0 || st.HotResident.Records != 0 || l.tiers.Exhausted() {
		t.Errorf("%+v, exhausted %v", st, l.tiers.Exhausted())
	}
	tell(95)
	eventually(t, "that did not help", l.tiers.Exhausted)
	tell(60)
	eventually(t, "now it did", func() bool { return !l.tiers.Exhausted() })
	if _, err := l.tiers.Change(tier.Change{HighThreshold: new(0.5), CriticalThreshold: new(0.6)}); err != nil {
		t.Fatal(err)
	}
	tell(60)
	eventually(t, "the thresholds are the policy's", func() bool { return l.tiers.Stats().Pressure == "critical" })
}
