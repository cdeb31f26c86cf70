package tier_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node/pressure"
	"github.com/engramd/engramd/node/tier"
	"github.com/google/go-cmp/cmp"
)

func TestPolicyTellsAllFaults(t *testing.T) {
	if err := tier.DefaultPolicy().Validate(); err != nil {
		t.Errorf("the guide's policy: %v", err)
	}
	bad := tier.Policy{
		Hot:      tier.Bounds{MaxRatio: 1.5, Threshold: math.NaN(), Every: time.Millisecond},
		Warm:     tier.Bounds{MaxRatio: -1, Threshold: 2, Every: time.Minute},
		Pressure: pressure.Thresholds{High: 0.9, Critical: 0.8},
	}
	err := bad.Validate()
	if !errors.Is(err, tier.ErrPolicy) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{
		"hot_tier: max_ratio 1.5", "hot_tier: activation_threshold NaN", "hot_tier: eviction_interval 1ms",
		"warm_tier: max_ratio -1", "warm_tier: activation_threshold 2", "high_threshold 0.9 and critical_threshold 0.8",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	crossed := tier.DefaultPolicy()
	crossed.Warm.Threshold = 0.4
	if err := crossed.Validate(); err == nil || !strings.Contains(err.Error(), "is above that of hot_tier") {
		t.Errorf("thresholds that cross: %v", err)
	}
	if _, err := tier.New(tier.Options{Policy: bad}); !errors.Is(err, tier.ErrPolicy) {
		t.Errorf("New takes it: %v", err)
	}
	if _, err := tier.New(tier.Options{HotBytes: -1}); !errors.Is(err, tier.ErrPolicy) {
		t.Errorf("New takes a negative size: %v", err)
	}
}

func TestSettings(t *testing.T) {
	c := newClock()
	gauge := pressure.New(pressure.Options{})
	tiers, err := tier.New(tier.Options{HotBytes: 8 << 20, Now: c.Now, Pressure: gauge})
	if err != nil {
		t.Fatal(err)
	}
	defer tiers.Close()
	configured := tiers.Settings()
	tell := func() []any {
		s := tiers.Settings()
		left := time.Duration(0)
		if !s.Until.IsZero() {
			left = s.Until.Sub(c.Now())
		}
		return []any{s.Owner, s.Policy.Hot.Threshold, s.Policy.Warm.Threshold, s.HotBytes, left}
	}
	minute := time.Minute
	for _, step := range []struct {
		name   string
		wait   time.Duration
		change tier.Change
		err    error
		want   []any
	}{
		{"the guide's own", 0, tier.Change{HotThreshold: new(0.2), WarmThreshold: new(0.05)}, nil, []any{"node", 0.2, 0.05, int64(8 << 20), time.Duration(0)}},
		{"one that is refused changes nothing", 0, tier.Change{HotThreshold: new(0.5), WarmThreshold: new(0.6)}, tier.ErrPolicy, []any{"node", 0.2, 0.05, int64(8 << 20), time.Duration(0)}},
		{"a negative size", 0, tier.Change{HotBytes: new(int64(-1))}, tier.ErrPolicy, []any{"node", 0.2, 0.05, int64(8 << 20), time.Duration(0)}},
		{"a ttl of nobody", 0, tier.Change{TTL: minute}, tier.ErrPolicy, []any{"node", 0.2, 0.05, int64(8 << 20), time.Duration(0)}},
		{"the agent takes over", 0, tier.Change{Owner: "agent", TTL: minute, HotThreshold: new(0.6), HotBytes: new(int64(16 << 20))}, nil, []any{"agent", 0.6, 0.05, int64(16 << 20), minute}},
		{"another cannot", 0, tier.Change{Owner: "other", HotThreshold: new(0.7)}, tier.ErrOwned, []any{"agent", 0.6, 0.05, int64(16 << 20), minute}},
		{"a person changes a value, and the owner stays", 30 * time.Second, tier.Change{HotThreshold: new(0.7)}, nil, []any{"agent", 0.7, 0.05, int64(16 << 20), minute / 2}},
		{"it renews", 0, tier.Change{Owner: "agent", TTL: minute}, nil, []any{"agent", 0.7, 0.05, int64(16 << 20), minute}},
		{"its time is over", minute, tier.Change{}, nil, []any{"node", 0.3, 0.1, int64(8 << 20), time.Duration(0)}},
		{"another takes them without an end", 0, tier.Change{Owner: "other", WarmThreshold: new(0.2)}, nil, []any{"other", 0.3, 0.2, int64(8 << 20), time.Duration(0)}},
		{"and gives them back", 9 * minute, tier.Change{Owner: tier.Node}, nil, []any{"node", 0.3, 0.1, int64(8 << 20), time.Duration(0)}},
	} {
		c.add(step.wait)
		if _, err := tiers.Change(step.change); !errors.Is(err, step.err) {
			t.Errorf("%s: error %v, want %v", step.name, err, step.err)
		}
		if diff := cmp.Diff(step.want, tell()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	if diff := cmp.Diff(configured, tiers.Settings()); diff != "" {
		t.Errorf("what was configured is not back:\n%s", diff)
	}
	every := tier.Change{
		Enabled: new(false), HotMaxRatio: new(0.5), WarmMaxRatio: new(0.4), HotEvery: &minute, WarmEvery: &minute,
		HighThreshold: new(0.5), CriticalThreshold: new(0.6), HotThreshold: new(0.9), WarmThreshold: new(0.8),
	}
	s, err := tiers.Change(every)
	want := tier.Policy{
		Hot:      tier.Bounds{MaxRatio: 0.5, Threshold: 0.9, Every: minute},
		Warm:     tier.Bounds{MaxRatio: 0.4, Threshold: 0.8, Every: minute},
		Pressure: pressure.Thresholds{High: 0.5, Critical: 0.6},
	}
	if diff := cmp.Diff(want, s.Policy); err != nil || diff != "" {
		t.Errorf("everything changes: %v\n%s", err, diff)
	}
}
