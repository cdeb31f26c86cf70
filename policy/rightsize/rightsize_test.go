package rightsize_test

import (
	"math"
	"testing"
	"time"

	"github.com/engramd/engramd/policy/rightsize"
)

var epoch = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// A loop feeds a policy minute by minute and does what it says.
type loop struct {
	o       rightsize.Options
	st      rightsize.State
	at      time.Time
	limit   float64
	changes []rightsize.Recommendation
}

func newLoop(o rightsize.Options, limit float64) *loop { return &loop{o: o, at: epoch, limit: limit} }

// minute shows one minute of demand.
func (l *loop) minute(demand float64) rightsize.Recommendation {
	l.at = l.at.Add(time.Minute)
	r := l.o.Observe(&l.st, rightsize.Sample{At: l.at, Used: math.Min(demand, l.limit), Limit: l.limit, Throttled: demand > l.limit})
	if r.Changes() {
		l.limit = r.Size
		l.changes = append(l.changes, r)
	}
	return r
}

func (l *loop) minutes(n int, demand float64) {
	for range n {
		l.minute(demand)
	}
}

func (l *loop) last() rightsize.Recommendation { return l.changes[len(l.changes)-1] }

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6*(1+math.Abs(b)) }

func TestIdleLimitComesDownToTheRecentMaximum(t *testing.T) {
	l := newLoop(rightsize.CPU(0.1, 16), 4)
	l.minutes(24, 1)
	if len(l.changes) != 0 {
		t.Fatalf("changed before the whole window was seen: %s", l.last().Why())
	}
	l.minutes(36, 1)
	if len(l.changes) != 1 || l.last().Rule != rightsize.Waste || l.limit > 1.3 || l.limit < 1.15 {
		t.Errorf("changes %+v; want one decrease by waste to about 1.3 cores", l.changes)
	}
}

func TestConstantDemandDoesNotOscillate(t *testing.T) {
	for _, demand := range []float64{0, 0.05, 1, 3.7, 15.9, 16, 40} {
		for _, start := range []float64{0.1, 4, 16} {
			l := newLoop(rightsize.CPU(0.1, 16), start)
			l.minutes(3*24*60, demand)
			settled := len(l.changes)
			l.minutes(14*24*60, demand)
			if settled > 8 || len(l.changes) != settled {
				t.Errorf("demand %v from %v: %d changes, then %d more; want it to settle", demand, start, settled, len(l.changes)-settled)
			}
		}
	}
}

func TestFirstThrottleGrowsMuchLaterOnesByWhatWasLearned(t *testing.T) {
	l := newLoop(rightsize.CPU(0.1, 16), 0.5)
	l.minutes(60, 0.4)
	if r := l.minute(3); r.Rule != rightsize.Evidence || !near(r.Size, 4) {
		t.Fatalf("first throttle at 0.5: %s; want 8 times the limit", r.Why())
	}
	l.minutes(90, 3)
	l.minutes(600, 0.4)
	if l.limit > 0.6 {
		t.Fatalf("limit is %v ten hours after the burst: %s", l.limit, l.last().Why())
	}
	if r := l.minute(3); r.Rule != rightsize.Evidence || !near(r.Size, 3*1.05) || r.Peaks != 1 {
		t.Errorf("second throttle: %s; want the peak of 3 that followed the first + 5%%", r.Why())
	}
}

func TestThrottleAboveWhatIsKnownDoubles(t *testing.T) {
	l := newLoop(rightsize.CPU(0.1, 16), 1)
	l.minute(1.5)
	l.minutes(70, 1.5)
	l.limit = 2
	if r := l.minute(5); !near(r.Size, 4) {
		t.Errorf("%s; want twice the limit", r.Why())
	}
}

func TestOvershootIsTakenBack(t *testing.T) {
	l := newLoop(rightsize.CPU(0.1, 16), 0.5)
	l.minutes(24*60, 0.4)
	l.st.Acts = 20 // so that the rule of waste would wait for hours
	l.minute(1)
	l.minutes(12, 1)
	if l.last().Rule != rightsize.Overshoot || !near(l.limit, 1.15) {
		t.Errorf("limit %v: %s; want the growth to 4 taken back to 1.15", l.limit, l.last().Why())
	}
}

func TestOvershootIsNotTakenBackByARestart(t *testing.T) {
	o := rightsize.CPU(0.1, 16)
	o.ActionCost = rightsize.RestartCost
	l := newLoop(o, 0.5)
	l.minutes(24*60, 0.4)
	l.minute(1)
	l.minutes(12, 1)
	if l.limit != 4 {
		t.Errorf("limit %v: %s; want the growth to 4 left alone", l.limit, l.last().Why())
	}
}

func TestGrowthOfSomebodyElseIsNotTakenBack(t *testing.T) {
	l := newLoop(rightsize.CPU(0.1, 16), 2)
	l.minutes(60, 1.8)
	l.limit, l.st.Acts = 10, 20
	l.minutes(15, 1.8)
	if l.limit != 10 {
		t.Errorf("limit is %v a quarter of an hour after somebody raised it: %s", l.limit, l.last().Why())
	}
}

func TestManyActionsMakeAnActionDear(t *testing.T) {
	price := func(changes int) float64 {
		l := newLoop(rightsize.CPU(0.1, 16), 4)
		for i := range 120 {
			if i < changes {
				l.limit = 4 + float64(i%2)
			}
			l.at = l.at.Add(time.Minute)
			l.o.Observe(&l.st, rightsize.Sample{At: l.at, Used: 3.9, Limit: l.limit})
		}
		return l.o.Observe(&l.st, rightsize.Sample{At: l.at.Add(time.Minute), Used: 3.9, Limit: l.limit}).Price
	}
	if few, many := price(3), price(9); !(many > 3*few) {
		t.Errorf("an action costs %v after few actions and %v after many", few, many)
	}
}

func TestRestartIsDearerThanLive(t *testing.T) {
	changes := func(cost time.Duration) int {
		o := rightsize.CPU(0.1, 16)
		o.ActionCost = cost
		l := newLoop(o, 8)
		for day := range 8 {
			l.minutes(12*60, 4+0.1*float64(day%2))
			l.minutes(12*60, 1)
		}
		return len(l.changes)
	}
	if live, restart := changes(rightsize.LiveCost), changes(rightsize.RestartCost); restart >= live {
		t.Errorf("%d changes by restart, %d live; want fewer", restart, live)
	}
}

func TestThinHistoryKeepsMore(t *testing.T) {
	young, old := newLoop(rightsize.CPU(0.1, 16), 2), newLoop(rightsize.CPU(0.1, 16), 2)
	young.minutes(60, 1)
	old.minutes(3*24*60, 1)
	if y, o := young.o.Want(&young.st), old.o.Want(&old.st); !(y > o) || !near(o, 1.15) {
		t.Errorf("an hour wants %v, three days %v; want more of the hour", y, o)
	}
	if c := old.st.Confidence(); c != 1 {
		t.Errorf("confidence %v after three days", c)
	}
}

func TestEveryChangeSaysWhy(t *testing.T) {
	l := newLoop(rightsize.CPU(0.5, 8), 20)
	l.minute(1)
	l.minutes(600, 1)
	l.minutes(20, 3)
	l.minutes(600, 0.1)
	rules := map[rightsize.Rule]bool{}
	for _, c := range l.changes {
		rules[c.Rule] = true
		if c.Why() == "" {
			t.Errorf("%+v does not say why", c)
		}
	}
	for _, want := range []rightsize.Rule{rightsize.Limits, rightsize.Waste, rightsize.Evidence} {
		if !rules[want] {
			t.Errorf("no change by the rule %q: %v", want, rules)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, edit := range map[string]func(*rightsize.Options){
		"no max":         func(o *rightsize.Options) { o.Max = 0 },
		"infinite max":   func(o *rightsize.Options) { o.Max = math.Inf(1) },
		"NaN min":        func(o *rightsize.Options) { o.Min = math.NaN() },
		"crossed":        func(o *rightsize.Options) { o.Min = 20 },
		"negative price": func(o *rightsize.Options) { o.ActionCost = -1 },
		"NaN margin":     func(o *rightsize.Options) { o.Margin = math.NaN() },
		"never busy":     func(o *rightsize.Options) { o.Busy = 0 },
	} {
		o := rightsize.CPU(1, 16)
		if err := o.Validate(); err != nil {
			t.Fatal(err)
		}
		if edit(&o); o.Validate() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestADecreaseByLittleIsNotWorthAnAction(t *testing.T) {
	l := newLoop(rightsize.CPU(0.1, 16), 1.15*1.15)
	l.minutes(30*24*60, 1)
	if len(l.changes) != 0 {
		t.Errorf("%s", l.last().Why())
	}
}

func TestWhatIsWantedIsNotBelowWhatWasUsed(t *testing.T) {
	o := rightsize.CPU(0.1, 16)
	o.Margin = 0
	for used := 1.0; used < 2; used += 0.0101 {
		l := newLoop(o, 4)
		if l.minute(used); o.Want(&l.st) < used {
			t.Errorf("wants %v, used were %v", o.Want(&l.st), used)
		}
	}
}

func TestClockThatWasSetBackBringsNoOldPeaks(t *testing.T) {
	l := newLoop(rightsize.CPU(0.1, 16), 4)
	l.minutes(24*60, 1)
	l.minutes(10, 3)
	l.at = l.at.Add(-366 * 24 * time.Hour)
	l.minutes(5, 1)
	if w := l.o.Want(&l.st); !near(w, 1.15) {
		t.Errorf("wants %v after five samples of 1 core on the new clock; want 1.15", w)
	}
}
