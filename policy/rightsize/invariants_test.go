package rightsize_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/policy/rightsize"
)

// demand is a random walk with bursts, quiet hours and jumps.
func demand(rng *rand.Rand, n int) []float64 {
	out := make([]float64, n)
	level := rng.Float64() * 4
	burst := 0
	for i := range out {
		switch {
		case rng.IntN(300) == 0:
			burst = rng.IntN(90)
		case rng.IntN(700) == 0:
			level = rng.Float64() * 8
		}
		out[i] = level * (1 + 0.2*rng.Float64())
		if burst > 0 {
			burst--
			out[i] *= 5
		}
	}
	return out
}

func TestNeverOutsideTheLimitsNorBelowMemoryInUse(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		for _, memory := range []bool{false, true} {
			o := rightsize.CPU(0.5, 12)
			scale := 1.0
			if memory {
				o, scale = rightsize.Memory(0.5*gib, 12*gib), gib
			}
			l := newLoop(o, 4*scale)
			var top, earlier float64 // of this interval of five minutes and the one before
			for i, d := range demand(rng, 6*24*60) {
				if i%5 == 0 {
					top, earlier = 0, top
				}
				d *= scale
				top = math.Max(top, math.Min(d, l.limit))
				r := l.minute(d)
				if r.Size < o.Min || r.Size > o.Max {
					t.Fatalf("seed %d minute %d: %s: outside %v to %v", seed, i, r.Why(), o.Min, o.Max)
				}
				if memory && r.Size < math.Max(top, earlier) {
					t.Fatalf("seed %d minute %d: %s: below the peak of %v", seed, i, r.Why(), math.Max(top, earlier))
				}
				if memory && r.Size < math.Min(o.Max, 1.1*math.Min(d, r.From)) {
					t.Fatalf("seed %d minute %d: %s: below use x 1.1", seed, i, r.Why())
				}
			}
		}
	}
}

// TestMoreDemandNeverWantsLess: the estimator is monotone while no limit cuts the demand off. When it
// acts is not: more demand makes idle limits cheaper by comparison.
func TestMoreDemandNeverWantsLess(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 2))
		for _, o := range []rightsize.Options{rightsize.CPU(0.1, 1000), rightsize.Memory(0.1, 1000)} {
			var less, more rightsize.State
			for i, d := range demand(rng, 3*24*60) {
				at := epoch.Add(time.Duration(i) * time.Minute)
				extra := math.Max(0, rng.Float64()-0.5)
				o.Observe(&less, rightsize.Sample{At: at, Used: d, Limit: 900})
				o.Observe(&more, rightsize.Sample{At: at, Used: d + extra, Limit: 900})
				if a, b := o.Want(&less), o.Want(&more); b < a {
					t.Fatalf("seed %d minute %d: wants %v of more, %v of less", seed, i, b, a)
				}
			}
		}
	}
}

func TestWhatTeachesNothingChangesNothing(t *testing.T) {
	l := newLoop(rightsize.CPU(0.1, 16), 2)
	l.minutes(2*24*60, 1.5)
	for name, s := range map[string]rightsize.Sample{
		"unknown use":     {At: l.at.Add(time.Minute), Used: math.NaN(), Limit: l.limit},
		"counter reset":   {At: l.at.Add(time.Minute), Used: -12, Limit: l.limit},
		"infinite use":    {At: l.at.Add(time.Minute), Used: math.Inf(1), Limit: l.limit},
		"unknown limit":   {At: l.at.Add(time.Minute), Used: 1, Limit: math.NaN()},
		"no limit":        {At: l.at.Add(time.Minute), Used: 1},
		"duplicate":       {At: l.at, Used: 1.5, Limit: l.limit},
		"twice throttled": {At: l.at, Used: 2, Limit: l.limit, Throttled: true},
	} {
		st := l.st
		if r := l.o.Observe(&st, s); r.Changes() {
			t.Errorf("%s: %s", name, r.Why())
		}
		if diff := cmp.Diff(l.st, st); diff != "" {
			t.Errorf("%s taught something:\n%s", name, diff)
		}
	}
}

func TestThrottleWithUnknownUseStillGrows(t *testing.T) {
	l := newLoop(rightsize.CPU(0.1, 16), 1)
	l.minutes(60, 0.9)
	r := l.o.Observe(&l.st, rightsize.Sample{At: l.at.Add(time.Minute), Used: math.NaN(), Limit: 1, Throttled: true})
	if r.Rule != rightsize.Evidence || r.Size <= 1 {
		t.Errorf("%s; want growth", r.Why())
	}
}

// TestFaultySamplesDoNotDisturb: the same demand with samples lost, repeated and late, and with NaN
// between them, ends at nearly the same limits and needs no more actions.
func TestFaultySamplesDoNotDisturb(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 3))
		clean, faulty := newLoop(rightsize.CPU(0.1, 16), 4), newLoop(rightsize.CPU(0.1, 16), 4)
		for i := range 4 * 24 * 60 {
			d := 2 + math.Sin(float64(i)/700)
			clean.minute(d)
			if rng.IntN(10) == 0 {
				faulty.at = faulty.at.Add(time.Minute)
				continue
			}
			faulty.minute(d)
			for _, s := range []rightsize.Sample{
				{At: faulty.at, Used: 9, Limit: faulty.limit, Throttled: true},
				{At: faulty.at.Add(-time.Duration(1+rng.IntN(600)) * time.Second), Used: 12, Limit: faulty.limit, Throttled: true},
				{At: faulty.at.Add(time.Second), Used: math.NaN(), Limit: faulty.limit},
			} {
				if r := faulty.o.Observe(&faulty.st, s); rng.IntN(3) == 0 && r.Changes() {
					t.Fatalf("seed %d minute %d: %s", seed, i, r.Why())
				}
			}
		}
		if len(faulty.changes) > len(clean.changes)+2 || math.Abs(faulty.limit-clean.limit) > 0.2*clean.limit {
			t.Errorf("seed %d: %d changes to %v; undisturbed %d to %v", seed, len(faulty.changes), faulty.limit, len(clean.changes), clean.limit)
		}
	}
}

func TestGapShrinksNothing(t *testing.T) {
	l := newLoop(rightsize.CPU(0.1, 16), 4)
	l.minutes(20, 1)
	l.at = l.at.Add(48 * time.Hour)
	l.minutes(25, 1)
	if len(l.changes) != 0 {
		t.Errorf("%s; want the whole window seen after the gap first", l.last().Why())
	}
}

func TestClockThatJumps(t *testing.T) {
	for name, jump := range map[string]time.Duration{"a year ahead": 366 * 24 * time.Hour, "a year back": -366 * 24 * time.Hour, "ten minutes back": -10 * time.Minute} {
		l := newLoop(rightsize.CPU(0.1, 16), 4)
		l.minutes(24*60, 1)
		before := l.limit
		l.at = l.at.Add(jump)
		l.minutes(25, 1)
		if l.limit != before {
			t.Errorf("%s: changed from %v to %v: %s", name, before, l.limit, l.last().Why())
		}
		l.minute(8)
		if l.last().Rule != rightsize.Evidence {
			t.Errorf("%s: throttled half an hour later, and the last change is still: %s", name, l.last().Why())
		}
		l.minutes(300, 1)
		if l.limit > 1.4 {
			t.Errorf("%s: limit is %v hours later", name, l.limit)
		}
	}
}

func TestStateSurvivesARestart(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	l := newLoop(rightsize.CPU(0.1, 16), 4)
	for _, d := range demand(rng, 3000) {
		l.minute(d)
	}
	text, err := json.Marshal(l.st)
	if err != nil {
		t.Fatal(err)
	}
	again := *l
	again.st = rightsize.State{}
	if err := json.Unmarshal(text, &again.st); err != nil {
		t.Fatal(err)
	}
	for _, d := range demand(rng, 3000) {
		if diff := cmp.Diff(l.minute(d), again.minute(d)); diff != "" {
			t.Fatalf("after a restart it decides otherwise:\n%s", diff)
		}
	}
}

func TestStateIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(rightsize.State{}); n >= 2048 {
		t.Errorf("a state is %d bytes; want less than 2048", n)
	}
}

func FuzzObserve(f *testing.F) {
	f.Add(int64(60), 1.0, 2.0, true, false, false)
	f.Add(int64(-90000), math.NaN(), math.Inf(1), false, true, true)
	f.Fuzz(func(t *testing.T, seconds int64, used, limit float64, throttled, oom, memory bool) {
		o := rightsize.CPU(0.1, 16)
		o.Memory = memory
		var st rightsize.State
		for i := range 50 {
			at := epoch.Add(time.Duration(i) * time.Duration(seconds%1e6) * time.Second)
			r := o.Observe(&st, rightsize.Sample{At: at, Used: used * float64(i%3), Limit: limit, Throttled: throttled && i%7 == 0, OOM: oom && i%11 == 0})
			if r.Changes() && !(r.Size >= o.Min && r.Size <= o.Max) {
				t.Fatalf("%+v is outside the limits", r)
			}
			_ = r.Why()
		}
	})
}

func BenchmarkRound(b *testing.B) {
	o := rightsize.CPU(0.1, 16)
	states := make([]rightsize.State, 10_000)
	at := epoch
	for b.Loop() {
		at = at.Add(time.Minute)
		for i := range states {
			used := 1 + float64((i+int(at.Unix()/60))%5)
			o.Observe(&states[i], rightsize.Sample{At: at, Used: used, Limit: 4.5, Throttled: used > 4.5})
		}
	}
	b.ReportMetric(float64(unsafe.Sizeof(states[0])), "B/state")
}
