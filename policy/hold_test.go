package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/policy"
)

// decided makes a decision of each kind that the table knows.
func decided(d policy.Direction, s policy.Strategy, v policy.Verdict, evidence string) policy.Decision {
	r := policy.CPU
	if d == policy.Operation {
		r = policy.EvictNow
	}
	source := policy.FromMatrix
	if evidence != "" {
		source = policy.FromRightsize
	}
	return policy.Decision{Strategy: s, Proposal: policy.Proposal{
		Policy: "p", Source: source, Verdict: v, Evidence: evidence, Direction: d, Mode: policy.Auto, Change: policy.Change{Resource: r},
	}}
}

func heldBy(held []policy.Held) string {
	var by []string
	for _, h := range held {
		by = append(by, h.By)
	}
	return strings.Join(by, ", ")
}

// TestWhatCanHoldAChange is the table of the design: every row and every column.
func TestWhatCanHoldAChange(t *testing.T) {
	closed := nightly(t) // opens at 02:00
	columns := []struct {
		name string
		edit func(*policy.Decision, *policy.HoldInputs)
	}{
		{"mode approve", func(d *policy.Decision, _ *policy.HoldInputs) { d.Mode = policy.Approve }},
		{"window closed", func(_ *policy.Decision, in *policy.HoldInputs) { in.Window = closed }},
		{"window closed, live in window", func(_ *policy.Decision, in *policy.HoldInputs) { in.Window, in.LiveInWindow = closed, true }},
		{"no window declared", func(_ *policy.Decision, in *policy.HoldInputs) { in.Window = nil }},
		{"cooldown", func(_ *policy.Decision, in *policy.HoldInputs) { in.Cooldown = noon.Add(time.Minute) }},
		{"budget spent", func(_ *policy.Decision, in *policy.HoldInputs) { in.Budget.Hour = 0 }},
		{"day's budget spent", func(_ *policy.Decision, in *policy.HoldInputs) { in.Budget.Day = 0 }},
		{"emergencies spent", func(_ *policy.Decision, in *policy.HoldInputs) { in.Budget.Emergencies = 0 }},
		{"validating the same resource", func(d *policy.Decision, in *policy.HoldInputs) {
			in.Actions = []policy.OpenAction{{ID: "a1", Resource: d.Change.Resource, State: "validating"}}
		}},
		{"validating another resource", func(_ *policy.Decision, in *policy.HoldInputs) {
			in.Actions = []policy.OpenAction{{ID: "a1", Resource: policy.Memory, State: "validating"}}
		}},
		{"applying", func(_ *policy.Decision, in *policy.HoldInputs) {
			in.Actions = []policy.OpenAction{{ID: "a1", Resource: policy.Memory, State: "rolling_back"}}
		}},
		{"another waits", func(_ *policy.Decision, in *policy.HoldInputs) {
			in.Actions = []policy.OpenAction{{ID: "a1", Resource: policy.CPU, State: "waiting"}}
		}},
		{"paused", func(_ *policy.Decision, in *policy.HoldInputs) { in.Paused = &policy.Pause{Reason: "release"} }},
		{"pause over", func(_ *policy.Decision, in *policy.HoldInputs) { in.Paused = &policy.Pause{Until: noon} }},
	}
	const (
		approval, window, cooldown, budget = policy.HeldByApproval, policy.HeldByWindow, policy.HeldByCooldown, policy.HeldByBudget
		validation, action, pause          = policy.HeldByValidation, policy.HeldByAction, policy.HeldByPause
	)
	for _, row := range []struct {
		name     string
		decision policy.Decision
		want     []string // by column
	}{
		{"growth, live", decided(policy.Growth, policy.Live, policy.Scale, ""),
			[]string{approval, "", window, "", cooldown, budget, budget, "", "", "", action, "", pause, ""}},
		{"growth, live, emergency", decided(policy.Growth, policy.Live, policy.Emergency, ""),
			[]string{approval, "", "", "", "", "", "", budget, "", "", action, "", pause, ""}},
		{"growth, live, rightsize on throttle, PSI or OOM", decided(policy.Growth, policy.Live, policy.Scale, "throttled 30%"),
			[]string{approval, "", "", "", "", "", "", "", "", "", action, "", pause, ""}},
		{"decrease, live", decided(policy.Decrease, policy.Live, policy.Scale, ""),
			[]string{approval, "", window, "", cooldown, budget, budget, "", validation, "", action, "", pause, ""}},
		{"any restart", decided(policy.Growth, policy.Restart, policy.Scale, ""),
			[]string{approval, window, window, approval, cooldown, budget, budget, "", validation, validation, action, "", pause, ""}},
		{"any restart, emergency", decided(policy.Growth, policy.Restart, policy.Emergency, ""),
			[]string{approval, window, window, approval, cooldown, budget, budget, "", validation, validation, action, "", pause, ""}},
		{"any restart, evidence", decided(policy.Growth, policy.Restart, policy.Scale, "OOM"),
			[]string{approval, window, window, approval, cooldown, budget, budget, "", validation, validation, action, "", pause, ""}},
		{"any restart, decrease", decided(policy.Decrease, policy.Restart, policy.Scale, ""),
			[]string{approval, window, window, approval, cooldown, budget, budget, "", validation, validation, action, "", pause, ""}},
		{"strategy not known", decided(policy.Growth, "", policy.Scale, ""),
			[]string{approval, window, window, approval, cooldown, budget, budget, "", validation, validation, action, "", pause, ""}},
		{"operation", decided(policy.Operation, policy.Live, policy.Scale, ""),
			[]string{approval, "", window, "", cooldown, "", "", "", validation, "", action, "", pause, ""}},
		{"operation, emergency", decided(policy.Operation, policy.Live, policy.Emergency, ""),
			[]string{approval, "", "", "", cooldown, "", "", "", "", "", action, "", pause, ""}},
	} {
		for i, column := range columns {
			d := row.decision
			in := policy.HoldInputs{
				Now: noon, Window: always(t), Need: 5 * time.Minute,
				Budget: policy.Left{Hour: 1, Day: 1, Emergencies: 1, Of: policy.Budget{PerHour: 4, PerDay: 12, EmergenciesPerDay: 4}},
			}
			column.edit(&d, &in)
			if got := heldBy(policy.Holds(d, in)); got != row.want[i] {
				t.Errorf("%s, %s: held by %q, want %q", row.name, column.name, got, row.want[i])
			}
			in.Undo = true
			if h := policy.Hold(d, in); h != nil {
				t.Errorf("the undo of %s, %s: held by %+v", row.name, column.name, h)
			}
		}
	}
}

func TestApproval(t *testing.T) {
	restart := decided(policy.Growth, policy.Restart, policy.Scale, "")
	plan := decided(policy.Growth, policy.Live, policy.PlanOnly, "")
	dry := decided(policy.Growth, policy.Live, policy.PlanOnly, "")
	dry.Mode = policy.DryRun
	for _, c := range []struct {
		name     string
		decision policy.Decision
		approved bool
		window   *policy.MaintenanceWindow
		want     string
	}{
		{"restart without a window", restart, true, nil, ""},
		{"restart still waits for its window", restart, true, nightly(t), policy.HeldByWindow},
		{"a plan never runs by itself", plan, false, nil, policy.HeldByPlan},
		{"but a person may run it", plan, true, nil, ""},
		{"a dry run stays one", dry, true, nil, policy.HeldByDryRun},
		{"a dry run says everything", dry, false, nil, policy.HeldByDryRun + ", " + policy.HeldByPlan},
	} {
		in := policy.HoldInputs{Now: noon, Approved: c.approved, Window: c.window, Budget: policy.Left{Hour: -1, Day: -1, Emergencies: -1}}
		if got := heldBy(policy.Holds(c.decision, in)); got != c.want {
			t.Errorf("%s: held by %q, want %q", c.name, got, c.want)
		}
	}
}

func TestHeldNamesTheRest(t *testing.T) {
	d := decided(policy.Growth, policy.Live, policy.Scale, "")
	d.Mode = policy.Approve
	h := policy.Hold(d, policy.HoldInputs{Now: noon, Cooldown: noon.Add(90 * time.Second), Budget: policy.Left{Hour: 1, Day: 1}})
	if want := "a person must approve (mode approve); then: the cooldown of cpu ends in 1m30s"; h == nil || h.By != policy.HeldByApproval || h.Text != want || !slices.Equal(h.Also, []string{policy.HeldByCooldown}) {
		t.Errorf("held %+v, want %q", h, want)
	}
}

func TestLedger(t *testing.T) {
	budget := policy.Budget{PerHour: 2, PerDay: 3, EmergenciesPerDay: 1}
	type left struct{ hour, day, emergencies int }
	check := func(name string, l policy.Ledger, now time.Time, want left) policy.Left {
		t.Helper()
		got := l.Left(now, budget)
		if (left{got.Hour, got.Day, got.Emergencies}) != want {
			t.Errorf("%s: %+v left, want %+v", name, got, want)
		}
		return got
	}
	var l policy.Ledger
	check("new", l, noon, left{2, 3, 1})
	one := l.Spend(noon, policy.Regular, "a1")
	check("a ledger is a value", l, noon, left{2, 3, 1})
	check("one", one, noon, left{1, 2, 1})
	check("the same action pays once", one.Spend(noon, policy.Regular, "a1"), noon, left{1, 2, 1})
	check("what is free costs nothing", one.Spend(noon, policy.Free, "a9"), noon, left{1, 2, 1})
	if free := one.Spend(noon, policy.Free, "a9"); len(free.Spent) != 1 {
		t.Errorf("what is free is kept: %+v", free.Spent)
	}
	two := one.Spend(noon.Add(30*time.Minute), policy.Regular, "a2").Spend(noon.Add(30*time.Minute), policy.Emergencies, "a3")
	got := check("two and an emergency", two, noon.Add(30*time.Minute), left{0, 1, 0})
	if !got.HourAt.Equal(noon.Add(time.Hour)) || !got.DayAt.IsZero() || !got.EmergenciesAt.Equal(noon.Add(24*time.Hour+30*time.Minute)) {
		t.Errorf("again at %v, %v, %v", got.HourAt, got.DayAt, got.EmergenciesAt)
	}
	check("an hour later", two, noon.Add(time.Hour), left{1, 1, 0})
	check("a day later", two, noon.Add(24*time.Hour), left{2, 2, 0})
	check("all over", two, noon.Add(25*time.Hour), left{2, 3, 1})
	check("the clock went back", two.Trim(noon.Add(-100*time.Hour)), noon.Add(-99*time.Hour), left{2, 1, 0})

	if none := l.Left(noon, policy.Budget{}); none.Hour != 0 || none.Day != 0 || !none.HourAt.IsZero() {
		t.Errorf("a budget of zero leaves %+v", none)
	}
	if any := l.Left(noon, policy.Budget{PerHour: -1, PerDay: -1, EmergenciesPerDay: -1}); any.Hour >= 0 || any.Day >= 0 {
		t.Errorf("a budget without bounds leaves %+v", any)
	}
}

func TestLedgerIsBounded(t *testing.T) {
	var l policy.Ledger
	for range 1200 {
		l = l.Spend(noon, policy.Regular, "")
	}
	if len(l.Spent) != 1000 {
		t.Errorf("%d spendings are kept", len(l.Spent))
	}
	if l = l.Trim(noon.Add(25 * time.Hour)); len(l.Spent) != 0 {
		t.Errorf("%d spendings are kept after a day", len(l.Spent))
	}
}

func TestCooldownEnds(t *testing.T) {
	cooldown := policy.Cooldown{Up: 5 * time.Minute, Down: 30 * time.Minute}
	l := policy.Ledger{}.Changed(noon, policy.CPU, policy.Growth)
	for _, c := range []struct {
		after     time.Duration
		resource  policy.Resource
		direction policy.Direction
		want      time.Duration // after noon, 0 is over
	}{
		{0, policy.CPU, policy.Growth, 5 * time.Minute},
		{0, policy.CPU, policy.Operation, 5 * time.Minute},
		{5 * time.Minute, policy.CPU, policy.Growth, 0},
		{5 * time.Minute, policy.CPU, policy.Decrease, 30 * time.Minute},
		{30 * time.Minute, policy.CPU, policy.Decrease, 0},
		{0, policy.Memory, policy.Decrease, 0},
	} {
		got := l.CooldownEnds(noon.Add(c.after), c.resource, c.direction, cooldown)
		if c.want == 0 && !got.IsZero() || c.want != 0 && !got.Equal(noon.Add(c.want)) {
			t.Errorf("%+v: ends %v", c, got)
		}
	}
	early := noon.Add(-10 * time.Hour) // the clock went back
	if got := l.Trim(early).CooldownEnds(early, policy.CPU, policy.Growth, cooldown); !got.Equal(early.Add(5 * time.Minute)) {
		t.Errorf("after the clock went back it ends %v", got)
	}
}

func TestHoldsAreStable(t *testing.T) {
	d := decided(policy.Growth, policy.Restart, policy.Scale, "")
	d.Mode = policy.Approve
	in := policy.HoldInputs{
		Now: noon, Paused: &policy.Pause{Until: noon.Add(time.Hour), Reason: "x"}, Window: nightly(t), Cooldown: noon.Add(time.Hour),
		Actions: []policy.OpenAction{{ID: "a", Resource: policy.Memory, State: "validating"}},
	}
	want := []string{policy.HeldByPause, policy.HeldByApproval, policy.HeldByValidation, policy.HeldByCooldown, policy.HeldByBudget, policy.HeldByWindow}
	if got := strings.Split(heldBy(policy.Holds(d, in)), ", "); !slices.Equal(got, want) {
		t.Errorf("held by %v, want %v", got, want)
	}
}
