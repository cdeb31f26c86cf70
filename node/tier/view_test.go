package tier_test

import (
	"testing"

	"github.com/engramd/engramd/node/tier"
	"github.com/google/go-cmp/cmp"
)

func TestGuidesRebalancing(t *testing.T) {
	c := newClock()
	l := live(t, t.TempDir(), tier.Options{HotBytes: 8 << 20, Now: c.Now})
	s, v := l.space("default")
	fill(t, s, 2000, c.Now(), func(i int) float32 { return float32(i%100+1) / 100 })
	checkpoint(t, l)
	dist := func() tier.Distribution { return v.Stats().Distribution }
	if d := dist(); d.Total != 2000 || d.Hot != 200 || d.Warm != 1800 {
		t.Errorf("before: %+v", d)
	}
	swept := l.tiers.EvictNow()
	settled(t, l)
	if diff := cmp.Diff(tier.Distribution{Hot: 200, Warm: 600, Cold: 1200, Total: 2000}, dist()); diff != "" {
		t.Errorf("after evict-now (-want +got):\n%s\n%+v", diff, swept)
	}
	for i := range 2000 {
		m, where := mustGet(t, s, v, id(i))
		if m.Content != text(i) {
			t.Fatalf("memory %d reads %q from %v", i, m.Content, where)
		}
	}
}
