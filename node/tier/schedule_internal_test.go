package tier

import (
	"testing"
	"time"

	"github.com/engramd/engramd/node/pressure"
	"github.com/engramd/engramd/node/record"
)

// A held is Copies of a number that a test sets.
type held struct {
	remembered
	records int64
	cleared int
}

func (h *held) Usage() Usage { return Usage{Records: h.records} }
func (h *held) Clear()       { h.records = 0; h.cleared++ }

func TestRelief(t *testing.T) {
	const (
		calm     = pressure.Calm
		high     = pressure.High
		critical = pressure.Critical
		unknown  = pressure.Unknown
	)
	type step struct {
		after     time.Duration
		level     pressure.Level
		ratio     float64
		hot       int64 // afterwards
		returned  int   // so far
		exhausted bool
	}
	for _, c := range []struct {
		name  string
		owner string
		steps []step
	}{
		{"high halves, and again only when it has grown", "", []step{
			{0, calm, 0.5, 1000, 0, false},
			{0, high, 0.81, 500, 0, false},
			{time.Minute, high, 0.81, 500, 0, false},
			{time.Minute, high, 0.83, 250, 0, false},
			{time.Second, high, 0.86, 250, 0, false}, // what was freed has not shown yet
			{reliefEvery, high, 0.86, 125, 0, false},
		}},
		{"calm in between begins anew", "", []step{
			{0, high, 0.85, 500, 0, false},
			{time.Minute, calm, 0.7, 500, 0, false},
			{time.Minute, high, 0.81, 250, 0, false},
		}},
		{"critical empties and returns memory, from time to time; then nothing is left", "", []step{
			{0, critical, 0.95, 0, 1, false},
			{time.Second, critical, 0.95, 0, 1, true},
			{time.Second, critical, 0.95, 0, 1, true},
			{reliefEvery, critical, 0.95, 0, 2, true},
			{time.Second, high, 0.84, 0, 2, false},
			{reliefEvery, critical, 0.92, 0, 3, false},
			{time.Second, unknown, 0, 0, 3, false}, // and nothing becomes hot: TestUnknownHolds
		}},
		{"critical right after high does not wait", "", []step{
			{0, high, 0.82, 500, 0, false},
			{time.Second, critical, 0.91, 0, 1, false},
		}},
		{"unknown holds", "", []step{
			{0, unknown, 0, 1000, 0, false},
			{time.Minute, unknown, 0.7, 1000, 0, false},
		}},
		{"what is owned is left alone until it is critical", "agent", []step{
			{0, high, 0.85, 1000, 0, false},
			{time.Minute, high, 0.89, 1000, 0, false},
			{time.Minute, critical, 0.91, 0, 1, false},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var rows []row
			for i := range 10_000 {
				r := row{record.Access{Activation: 1, LastAt: noon.Add(time.Duration(i-10_000) * 2 * time.Second)}, Warm}
				if i >= 9000 {
					r.tier = Hot
				}
				rows = append(rows, r)
			}
			copies := &held{records: 1000}
			returned := 0
			v := rowsOf(t, Options{Copies: copies, ReturnMemory: func() { returned++ }}, rows)
			v.tiers.add(v)
			if c.owner != "" {
				if _, err := v.tiers.Change(Change{Owner: c.owner}); err != nil {
					t.Fatal(err)
				}
			}
			s, now := &schedule{}, noon.Add(time.Hour)
			for i, step := range c.steps {
				now = now.Add(step.after)
				v.tiers.relieve(s, pressure.State{Level: step.level, Ratio: step.ratio}, now)
				count, _, _ := v.books.snapshot()
				if count[Hot] != step.hot || returned != step.returned || v.tiers.Exhausted() != step.exhausted {
					t.Errorf("step %d: %d hot, memory returned %d times, exhausted %v; want %+v", i, count[Hot], returned, v.tiers.Exhausted(), step)
				}
				if got := v.tiers.filling(); step.level != unknown && got != (step.level < high) {
					t.Errorf("step %d: filling %v", i, got)
				}
			}
			v.table.each(false, func(ord record.Ord, p *page, i int) {
				count, _, _ := v.books.snapshot()
				if best := int64(ord) >= 10_000-count[Hot]; (p.tier[i] == Hot) != best {
					t.Fatalf("memory %d is %v: not the best are left", ord, p.tier[i])
				}
			})
			checkBooks(t, v)
		})
	}
}

// TestUnknownHolds: while memory cannot be read, what was decided before holds.
func TestUnknownHolds(t *testing.T) {
	v := rowsOf(t, Options{Copies: &remembered{}, ReturnMemory: func() {}}, nil)
	s := &schedule{}
	for _, step := range []struct {
		level   pressure.Level
		filling bool
	}{
		{pressure.Unknown, true}, {pressure.High, false}, {pressure.Unknown, false}, {pressure.Calm, true},
		{pressure.Unknown, true}, {pressure.Critical, false}, {pressure.Unknown, false},
	} {
		v.tiers.relieve(s, pressure.State{Level: step.level}, noon)
		if got := v.tiers.filling(); got != step.filling || v.tiers.pressure() != step.level {
			t.Errorf("at %v: filling %v, level %v", step.level, got, v.tiers.pressure())
		}
	}
}

// TestRelax: after pressure the hot tier grows again from sweep to sweep, not at once.
func TestRelax(t *testing.T) {
	var rows []row
	for range 10_001 {
		rows = append(rows, row{record.Access{Activation: 1, LastAt: noon}, Warm})
	}
	rows[0].tier = none
	v := rowsOf(t, Options{Copies: &remembered{}, Now: func() time.Time { return noon }}, rows)
	v.tiers.add(v)
	s, now := &schedule{hot: noon, warm: noon, meter: noon}, noon
	hot := func() int64 { count, _, _ := v.books.snapshot(); return count[Hot] }
	minute := func() int64 {
		now = now.Add(time.Minute)
		s.warm = now // hot sweeps only
		v.tiers.tick(s, now)
		return hot()
	}
	if got := minute(); got != 1000 {
		t.Fatalf("%d are hot at first", got)
	}
	v.tiers.relieve(s, pressure.State{Level: pressure.Critical, Ratio: 1}, now)
	for range 3 {
		if got := minute(); got != 0 {
			t.Errorf("%d are hot under pressure", got)
		}
	}
	v.tiers.relieve(s, pressure.State{Level: pressure.Calm, Ratio: 0.1}, now)
	last := int64(0)
	for _, want := range []int64{64, 192, 448, 960, 1000, 1000} {
		if last = minute(); last != want {
			t.Errorf("%d are hot, want %d", last, want)
		}
	}
	for _, c := range []Change{{Enabled: new(false)}, {Enabled: new(true), Owner: "agent"}} {
		if _, err := v.tiers.Change(c); err != nil {
			t.Fatal(err)
		}
		v.cool(cut{score: highest})
		if got := minute(); got != 0 {
			t.Errorf("sweeps that are off, or another's, made %d hot", got)
		}
	}
}

func TestRates(t *testing.T) {
	var m meter
	sum := func(n uint64) (s moves) { s[Hot][Warm] = n; return s }
	if got := m.rate(noon, sum(5), Hot, Warm); got != 0 {
		t.Errorf("nothing was sampled, and the rate is %v", got)
	}
	for i := range 20 {
		m.sample(noon.Add(time.Duration(i)*meterEvery), sum(uint64(i)*100))
	}
	at := noon.Add(19 * meterEvery)
	if got := m.rate(at, sum(1900), Hot, Warm); got != 10 {
		t.Errorf("rate %v", got)
	}
	if got := m.rate(at, sum(1900), Warm, Cold); got != 0 {
		t.Errorf("rate of what does not move %v", got)
	}
	for i := range 7 {
		m.sample(at.Add(time.Duration(i+1)*meterEvery), sum(1900))
	}
	if got := m.rate(at.Add(7*meterEvery), sum(1900), Hot, Warm); got != 0 {
		t.Errorf("a minute later %v", got)
	}
}
