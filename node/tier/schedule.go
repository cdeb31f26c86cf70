package tier

import (
	"context"
	"math"
	"time"

	"github.com/engramd/engramd/node/pressure"
)

const (
	tickEvery = time.Second
	// reliefEvery is the least time between two evictions for want of memory: what one freed shows only after the collector ran.
	reliefEvery = 10 * time.Second
	// rise is by how much the ratio must have grown since the last eviction at high pressure for another one.
	rise = 0.01
)

// A schedule is when what was done last. It belongs to the goroutine of sweeps.
type schedule struct {
	hot, warm, meter time.Time
	relieved         time.Time // zero: not since memory was calm
	ratio            float64   // at that time
	level            pressure.Level
	returned         bool // memory was returned while critical
}

func (t *Tiers) sweeps(ctx context.Context) {
	var states <-chan pressure.State
	if t.opts.Pressure != nil {
		ch, cancel := t.opts.Pressure.Subscribe()
		defer cancel()
		states = ch
	}
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	now := t.opts.Now()
	s := &schedule{hot: now, warm: now, meter: now}
	t.meter.sample(now, t.moves())
	for {
		select {
		case <-ctx.Done():
			return
		case state := <-states:
			t.relieve(s, state, t.opts.Now())
		case <-tick.C:
			t.tick(s, t.opts.Now())
		}
	}
}

// tick does what is due.
func (t *Tiers) tick(s *schedule, now time.Time) {
	set := t.settings.get(now)
	t.follow(set)
	if now.Sub(s.meter) >= meterEvery {
		s.meter = now
		t.meter.sample(now, t.moves())
	}
	if !set.Policy.Enabled || set.Owner != Node {
		return
	}
	m := mode{evict: !t.filling(), limit: math.MaxInt64}
	switch {
	case now.Sub(s.warm) >= set.Policy.Warm.Every:
		s.warm, s.hot = now, now
		for _, v := range t.open() {
			v.relax(s.level)
			t.sweep(v, set.Policy, m, now)
		}
	case now.Sub(s.hot) >= set.Policy.Hot.Every:
		s.hot = now
		for _, v := range t.open() {
			v.relax(s.level)
			v.sweepHot(set.Policy, m, now)
		}
	}
}

// relieve acts on a sample of the memory.
func (t *Tiers) relieve(s *schedule, state pressure.State, now time.Time) {
	s.level = state.Level
	t.level.Store(int32(state.Level))
	if state.Level != pressure.Unknown {
		t.tight.Store(state.Level >= pressure.High)
	}
	if state.Level != pressure.Critical {
		t.exhausted.Store(false)
		s.returned = false
	}
	recent := !s.relieved.IsZero() && now.Sub(s.relieved) < reliefEvery
	switch state.Level {
	case pressure.Unknown: // hold, whatever it was
	case pressure.Calm:
		s.relieved = time.Time{}
	case pressure.High:
		grown := s.relieved.IsZero() || state.Ratio >= s.ratio+rise
		if t.settings.get(now).Owner == Node && grown && !recent {
			s.relieved, s.ratio = now, state.Ratio
			t.squeeze(state, now, func(hot int64) int64 { return hot / 2 })
		}
	case pressure.Critical:
		if s.returned && t.copies.Usage().Records == 0 {
			t.exhausted.Store(true) // this sample is of after it
		}
		if !recent || !s.returned {
			s.relieved, s.ratio = now, state.Ratio
			t.squeeze(state, now, func(int64) int64 { return 0 })
			t.copies.Clear()
			t.opts.ReturnMemory()
			s.returned = true
		}
	}
}

// squeeze lets only as many memories of each space be hot as keep says of those that are.
func (t *Tiers) squeeze(state pressure.State, now time.Time, keep func(hot int64) int64) {
	var sum Swept
	policy := t.settings.get(now).Policy
	for _, v := range t.open() {
		count, _, _ := v.books.snapshot()
		v.limit.Store(keep(count[Hot]))
		swept, _ := v.sweepHot(policy, mode{evict: true, limit: v.limit.Load()}, now)
		sum.add(swept)
	}
	t.opts.Logger.Info("evicted for want of memory", "level", state.Level.String(), "ratio", state.Ratio, "hot_to_warm", sum.HotToWarm)
}

// relax lets twice as many be hot again as pressure left, from sweep to sweep while memory is calm.
func (v *View) relax(level pressure.Level) {
	limit := v.limit.Load()
	if level != pressure.Calm || limit == math.MaxInt64 {
		return
	}
	limit = 2*limit + 64
	if limit > v.total() {
		limit = math.MaxInt64
	}
	v.limit.Store(limit)
}

// Exhausted tells that memory is critical although nothing is hot any more and the heap was returned: writes must be refused.
func (t *Tiers) Exhausted() bool { return t.exhausted.Load() }
