package policy_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/engramd/engramd/policy"
)

// A dice makes situations from the bytes of a fuzzer, or at random where they end.
type dice struct {
	bytes []byte
	rand  *rand.Rand
}

func newDice(b []byte, seed uint64) *dice {
	return &dice{bytes: b, rand: rand.New(rand.NewPCG(seed, 1))}
}

func (d *dice) roll(n int) int {
	if len(d.bytes) == 0 {
		return d.rand.IntN(n)
	}
	v := int(d.bytes[0])
	d.bytes = d.bytes[1:]
	return v % n
}

func pick[T any](d *dice, of ...T) T { return of[d.roll(len(of))] }

func (d *dice) change() policy.Change {
	r := pick(d, policy.CPU, policy.CPU, policy.Memory, policy.Memory, policy.Replicas, policy.TiersHotThreshold, policy.EvictNow, policy.Storage, policy.CPUs)
	c := policy.Change{Resource: r}
	if r == policy.CPUs {
		c.To = &policy.To{Placement: pick[policy.Placement](d, policy.NUMAAligned, policy.NUMAAligned, policy.AllCPUs, "node1", "0-3", "2,9")}
		return c
	}
	if r.IsOperation() {
		return c
	}
	unit := map[policy.Resource]int64{policy.CPU: 250, policy.Memory: 64 << 20, policy.Storage: 1 << 30}[r]
	unit = max(unit, 1)
	switch d.roll(4) {
	case 0:
		c.By = &policy.By{Factor: pick(d, 0.1, 0.5, 0.8, 1.01, 1.5, 2, 4, 1000)}
	case 1:
		c.By = &policy.By{Add: unit * int64(d.roll(21)-10)}
	case 2:
		c.To = &policy.To{Max: true}
	case 3:
		c.To = &policy.To{Amount: unit * int64(d.roll(60))}
	}
	if d.roll(3) == 0 {
		c.Cap = policy.Amount(unit * int64(1+d.roll(40)))
	}
	return c
}

func (d *dice) quantity(unit int64) policy.Quantity {
	switch d.roll(8) {
	case 0:
		return policy.Unlimited()
	case 1:
		return policy.Quantity{}
	}
	return policy.Amount(unit * int64(1+d.roll(64)))
}

func (d *dice) bounds(unit int64) policy.Bounds {
	var b policy.Bounds
	low := int64(1 + d.roll(16))
	if d.roll(2) == 0 {
		b.Min = policy.Amount(unit * low)
	}
	if d.roll(2) == 0 {
		b.Max = policy.Amount(unit * (low + int64(d.roll(48))))
	}
	if d.roll(2) == 0 {
		for n := int64(1); n <= 64; n *= int64(2 + d.roll(2)) {
			b.Steps = append(b.Steps, unit*n)
		}
	}
	b.MaxStepUp = pick(d, 0, 0, 0.25, 1)
	b.MaxStepDown = pick(d, 0, 0, 0.25, 0.9)
	return b
}

func (d *dice) proposal(now time.Time) policy.Proposal {
	return policy.Proposal{
		Policy: pick(d, "a", "b", "r"), Row: d.roll(3), Source: pick(d, policy.FromMatrix, policy.FromAlert, policy.FromRightsize),
		Verdict: pick(d, policy.Scale, policy.Scale, policy.Emergency, policy.PlanOnly), Change: d.change(),
		Mode: pick(d, "", policy.Auto, policy.Approve, policy.DryRun), Evidence: pick(d, "", "", "throttled"),
		Deadline: pick(d, time.Time{}, now.Add(time.Hour)), AtDead: pick(d, "", policy.RunAtDeadline),
	}
}

func (d *dice) situation(now time.Time) policy.Situation {
	units := map[policy.Resource]int64{policy.CPU: 250, policy.Memory: 256 << 20, policy.Replicas: 1, policy.TiersHotThreshold: 10000, policy.Storage: 1 << 30}
	s := policy.Situation{
		Now: now, Target: policy.Target{Name: "engram", Mode: policy.Auto, Limits: map[policy.Resource]policy.Bounds{}, Apply: map[policy.Resource]policy.Apply{}},
		AgentMode: pick(d, "", policy.Auto, policy.Approve, policy.DryRun), Sizes: policy.Size{}, Owners: map[policy.Resource]string{}, Parts: d.roll(3),
		Safety: policy.Safety{Cooldown: policy.Cooldown{Up: 5 * time.Minute, Down: 30 * time.Minute}, Budget: policy.Budget{PerHour: d.roll(5) - 1, PerDay: d.roll(13) - 1, EmergenciesPerDay: d.roll(5) - 1}},
		Need:   time.Minute,
	}
	for _, r := range []policy.Resource{policy.CPU, policy.Memory, policy.Replicas, policy.TiersHotThreshold, policy.EvictNow, policy.Storage} {
		if d.roll(8) > 0 {
			s.Owners[r] = "docker"
		}
		if r.IsOperation() {
			continue
		}
		if d.roll(8) > 0 {
			s.Sizes[r] = d.quantity(units[r])
		}
		if d.roll(2) == 0 {
			s.Target.Limits[r] = d.bounds(units[r])
		}
		s.Target.Apply[r] = pick(d, "", policy.ApplyLive, policy.ApplyRestart, policy.ApplyGrowLive)
		if d.roll(8) == 0 {
			s.Frozen = map[policy.Resource]string{r: "reversals"}
		}
		if d.roll(4) == 0 {
			s.Rightsize = map[policy.Resource]string{r: "r"}
		}
	}
	if d.roll(4) > 0 {
		s.Host = policy.Host{
			Capacity: policy.Amounts{policy.CPU: 16000, policy.Memory: 32 << 30}, Reserve: policy.Amounts{policy.CPU: 1000, policy.Memory: 1 << 30},
			OtherTargets: policy.Amounts{policy.CPU: int64(d.roll(20)) * 1000, policy.Memory: int64(d.roll(40)) << 30},
			OtherUse:     policy.Amounts{policy.Memory: int64(d.roll(4)) << 30}, Overcommit: d.roll(2) == 0,
		}
	} else if d.roll(2) == 0 {
		s.Host.Skip = "the kubelet decides"
	}
	if d.roll(2) == 0 {
		s.WorkingSet = new(int64(d.roll(64)) << 27)
	}
	d.processors(&s)
	for range d.roll(6) {
		s.Proposals = append(s.Proposals, d.proposal(now))
	}
	if d.roll(2) == 0 {
		e := policy.Evaluation{Policy: "v", Verdict: policy.HoldSize, Veto: d.roll(2) == 0, Text: "hold"}
		if d.roll(2) == 0 {
			e.VetoOn = []policy.Resource{policy.CPU, policy.Memory}
		}
		e.Proposals = append(e.Proposals, d.proposal(now))
		s.Evaluations = append(s.Evaluations, e)
	}
	for range d.roll(3) {
		r, direction := pick(d, policy.CPU, policy.Memory), pick(d, policy.Growth, policy.Decrease)
		at := now.Add(-time.Duration(d.roll(60)) * time.Minute)
		s.Ledger = s.Ledger.Spend(at, policy.Regular, "").Changed(at, r, direction)
	}
	if d.roll(4) == 0 {
		s.Paused = &policy.Pause{}
	}
	if d.roll(3) == 0 {
		s.Actions = []policy.OpenAction{{ID: "x", Resource: pick(d, policy.CPU, policy.Memory), State: pick[policy.Outcome](d, "waiting", "applying", "validating", "rolling_back")}}
	}
	return s
}

// checkDecisions holds every decision against what must never happen.
func checkDecisions(t *testing.T, s policy.Situation, ds []policy.Decision) {
	t.Helper()
	seen := map[policy.Resource]bool{}
	proposals := len(s.Proposals)
	for _, e := range s.Evaluations {
		proposals += len(e.Proposals)
	}
	counted := 0
	for _, d := range ds {
		r := d.Change.Resource
		counted += 1 + len(d.Losers)
		if seen[r] {
			t.Errorf("two decisions on %s", r)
		}
		seen[r] = true
		for _, l := range d.Losers {
			if l.Reason == "" {
				t.Errorf("a loser without a reason: %+v", l)
			}
		}
		if d.Refused != "" {
			continue
		}
		checkDecision(t, s, d)
	}
	if counted != proposals {
		t.Errorf("%d proposals, %d accounted for", proposals, counted)
	}
}

func checkDecision(t *testing.T, s policy.Situation, d policy.Decision) {
	t.Helper()
	r := d.Change.Resource
	fail := func(what string) {
		t.Helper()
		t.Errorf("%s: %s %v -> %v (%s, %v) in %+v", what, r, d.From, d.To, d.Direction, d.Change, s.Target.Limits[r])
	}
	if s.Owners[r] == "" || s.Frozen[r] != "" {
		fail("not ours, or frozen")
	}
	if d.Held == nil && (s.AgentMode == policy.DryRun || d.Mode != policy.Auto || d.Verdict == policy.PlanOnly || s.Paused != nil || d.Strategy != policy.Live) {
		fail("free though something holds it")
	}
	if r.IsOperation() {
		return
	}
	if r == policy.CPUs {
		checkPlacement(t, s, d)
		return
	}
	to, isAmount := d.To.Amount()
	from, limited := d.From.Amount()
	b := s.Target.Limits[r]
	if !isAmount || to <= 0 {
		fail("not an amount")
	}
	if n, ok := b.Min.Amount(); ok && to < n {
		fail("below the minimum")
	}
	if n, ok := b.Max.Amount(); ok && to > n {
		fail("above the maximum")
	}
	if len(b.Steps) > 0 && !slices.Contains(b.Steps, to) && d.Direction == policy.Growth {
		fail("a growth to no step")
	}
	switch d.Direction {
	case policy.Growth:
		if !limited || to <= from {
			fail("a growth that does not grow")
		}
		if n, ok := d.Change.Cap.Amount(); ok && to > n {
			if low, bounded := b.Min.Amount(); !bounded || to > low {
				fail("above its cap")
			}
		}
		checkAdmitted(t, s, d, to)
	case policy.Decrease:
		if limited && to >= from {
			fail("a decrease that does not shrink")
		}
		for _, e := range s.Evaluations {
			if e.Veto && (len(e.VetoOn) == 0 || slices.Contains(e.VetoOn, r)) {
				fail("a decrease under a veto")
			}
		}
		if r == policy.Memory && d.Strategy == policy.Live && (s.WorkingSet == nil || float64(*s.WorkingSet)*1.1 >= float64(to)) {
			fail("a decrease below what is in use")
		}
		if d.Held == nil && s.Now.Before(s.Ledger.CooldownEnds(s.Now, r, policy.Decrease, s.Safety.Cooldown)) {
			fail("a decrease within its cooldown")
		}
	default:
		fail("no direction")
	}
}

func checkAdmitted(t *testing.T, s policy.Situation, d policy.Decision, to int64) {
	t.Helper()
	r := d.Change.Resource
	if s.Host.Skip != "" || r != policy.CPU && r != policy.Memory {
		return
	}
	room := s.Host.Capacity[r] - s.Host.Reserve[r]
	if r == policy.Memory {
		room -= s.Host.OtherTargets[r] + s.Host.OtherUse[r]
	} else if !s.Host.Overcommit {
		room -= s.Host.OtherTargets[r]
	}
	if to*int64(max(s.Parts, 1)) > room {
		t.Errorf("%s -> %v is more than the host has: %d, %d parts", r, d.To, room, s.Parts)
	}
}

func decideAndCheck(t *testing.T, b []byte, seed uint64) {
	t.Helper()
	s := newDice(b, seed).situation(noon)
	first := policy.Decide(s)
	if again := newDice(b, seed).situation(noon); !reflect.DeepEqual(again, s) {
		t.Errorf("Decide changed what it was given")
	}
	if second := policy.Decide(s); !reflect.DeepEqual(first, second) {
		t.Errorf("the same situation, another decision:\n%+v\n%+v", first, second)
	}
	checkDecisions(t, s, first)
}

func TestDecideInvariants(t *testing.T) {
	for seed := range uint64(5000) {
		decideAndCheck(t, nil, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzDecide(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) { decideAndCheck(t, b, seed) })
}

// TestNeverUpAndDownWithinACooldown lets a wild signal drive a target for a day.
func TestNeverUpAndDownWithinACooldown(t *testing.T) {
	for seed := range uint64(5) {
		d := newDice(nil, seed)
		p := policy.Policy{Name: "wild", Every: 15 * time.Second, Matrix: &policy.Matrix{
			Signals: map[string]string{"cpu": "c"}, LongestRange: time.Minute,
			Rows: []policy.Row{
				{When: when(t, "cpu", "< 30"), Do: do(policy.Scale), Changes: []policy.Change{change(t, policy.CPU, "-50%", "", "")}},
				{When: when(t, "cpu", "30..70"), Do: do(policy.None)},
				{When: when(t, "cpu", ">= 70"), Do: do(policy.Scale), Changes: []policy.Change{change(t, policy.CPU, "x2", "", "")}},
			},
		}}
		s := situation()
		s.Target.Limits[policy.CPU] = policy.Bounds{Min: cores(0.5), Max: cores(32)}
		s.Safety.Cooldown = policy.Cooldown{Up: 5 * time.Minute, Down: 30 * time.Minute}
		var clocks policy.Clocks
		var changes []policy.LastChange
		fresh := map[policy.Resource]time.Time{}
		value := 50.0
		for tick := range 4 * 60 * 24 {
			s.Now = noon.Add(time.Duration(tick) * 15 * time.Second)
			if d.roll(8) == 0 {
				value = float64(d.roll(100))
			}
			var e policy.Evaluation
			readings := map[string]policy.Reading{"cpu": {Value: value, Known: d.roll(50) > 0, At: s.Now}}
			clocks, e = p.Evaluate("engram", clocks, policy.Inputs{Now: s.Now, Readings: readings, FreshAt: fresh, Sizes: s.Sizes})
			s.Evaluations = []policy.Evaluation{e}
			for _, decision := range policy.Decide(s) {
				if decision.Refused != "" || decision.Held != nil {
					continue
				}
				if e.Blind {
					t.Fatalf("changed while blind: %+v", decision)
				}
				s.Sizes = policy.Size{policy.CPU: decision.To}
				s.Ledger = s.Ledger.Spend(s.Now, policy.AccountOf(decision), "").Changed(s.Now, policy.CPU, decision.Direction)
				fresh[policy.CPU] = s.Now.Add(30 * time.Second)
				changes = append(changes, policy.LastChange{At: s.Now, Direction: decision.Direction})
			}
		}
		for i := 1; i < len(changes); i++ {
			wait := s.Safety.Cooldown.Up
			if changes[i].Direction == policy.Decrease {
				wait = s.Safety.Cooldown.Down
			}
			if gap := changes[i].At.Sub(changes[i-1].At); gap < wait {
				t.Errorf("seed %d: a %s came %s after a %s", seed, changes[i].Direction, gap, changes[i-1].Direction)
			}
		}
		if len(changes) < 20 {
			t.Errorf("seed %d: only %d changes in a day: the test tests nothing", seed, len(changes))
		}
	}
}

// TestUnknownNeverShrinks evaluates random matrices with signals missing.
func TestUnknownNeverShrinks(t *testing.T) {
	for seed := range uint64(5000) {
		d := newDice(nil, seed)
		m := &policy.Matrix{Signals: map[string]string{"a": "a", "b": "b"}}
		for range 1 + d.roll(5) {
			r := policy.Row{When: map[string]policy.Interval{}, Do: do(pick(d, policy.None, policy.Scale, policy.HoldSize, policy.Emergency))}
			for _, name := range []string{"a", "b"} {
				if d.roll(3) > 0 {
					lo := float64(d.roll(9))
					r.When[name] = policy.Interval{Lo: lo, Hi: lo + 1 + float64(d.roll(5))}
				}
			}
			if v := r.Do[0]; v == policy.Scale || v == policy.Emergency {
				r.Changes = []policy.Change{d.change()}
			}
			m.Rows = append(m.Rows, r)
		}
		if d.roll(2) == 0 {
			m.Otherwise = &policy.Row{Do: do(policy.Scale), Changes: []policy.Change{d.change()}}
		}
		readings := map[string]policy.Reading{}
		for _, name := range []string{"a", "b"} {
			if d.roll(2) == 0 {
				readings[name] = policy.Reading{Value: float64(d.roll(12)), Known: true, At: noon}
			}
		}
		sizes := policy.Size{policy.CPU: cores(4), policy.Memory: policy.Amount(4 << 30), policy.Replicas: policy.Amount(3), policy.Storage: policy.Amount(1 << 40)}
		_, e := policy.Policy{Name: "p", Matrix: m}.Evaluate("t", policy.Clocks{}, policy.Inputs{Now: noon, Readings: readings, Sizes: sizes})
		if e.Blind && !e.Veto {
			t.Fatalf("seed %d: blind without a veto: %+v", seed, e)
		}
		grows := false
		for _, p := range e.Proposals {
			if p.Direction == policy.Decrease && e.Blind {
				t.Fatalf("seed %d: a decrease while blind: %+v", seed, e)
			}
			grows = grows || p.Direction == policy.Growth
		}
		if e.Blind && len(e.Proposals) > 0 && !grows {
			t.Fatalf("seed %d: something else than a growth while blind: %+v", seed, e)
		}
		if e.Text == "" {
			t.Fatalf("seed %d: says nothing: %+v", seed, e)
		}
	}
}
