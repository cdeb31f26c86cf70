package journal_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/policy"
)

func decision(at time.Time) policy.Decision {
	return policy.Decision{At: at, Proposal: policy.Proposal{
		Target: "engram", Policy: "cpu", Row: 2, Verdict: policy.Scale, Change: policy.Change{Resource: policy.CPU},
		From: policy.Amount(2000), To: policy.Amount(4000), Deadline: at.Add(48 * time.Hour),
		Readings: []policy.Reading{{Signal: "cpu", Value: float64(at.Unix()), Known: true}},
	}}
}

func TestIdenticalProposalsAreOneDecision(t *testing.T) {
	tests := map[string]struct {
		between func(d *policy.Decision) // what becomes of the first one
		then    func(d *policy.Decision) // how the second one differs
		count   int                      // of the second one
	}{
		"the same":                 {nil, nil, 2},
		"another sentence":         {nil, func(d *policy.Decision) { d.Why = "78% now" }, 2},
		"another size":             {nil, func(d *policy.Decision) { d.To = policy.Amount(8000) }, 1},
		"another row":              {nil, func(d *policy.Decision) { d.Row = 3 }, 1},
		"refused now":              {nil, func(d *policy.Decision) { d.Refused = "the host is full" }, 1},
		"held by something else":   {nil, func(d *policy.Decision) { d.Held = &policy.Held{By: "budget"} }, 1},
		"another policy":           {nil, func(d *policy.Decision) { d.Policy = "alert" }, 1},
		"its action is under way":  {func(d *policy.Decision) { d.ActionID, d.Outcome = "a1", actuators.Applying }, nil, 2},
		"its action has ended":     {func(d *policy.Decision) { d.ActionID, d.Outcome = "a1", actuators.RolledBack }, nil, 1},
		"an action of another one": {func(d *policy.Decision) { d.ActionID = "a1" }, func(d *policy.Decision) { d.ActionID = "a2" }, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			j := open(t, t.TempDir())
			kept, err := j.PutDecisions(decision(noon))
			must(t, err)
			first := kept[0]
			if test.between != nil {
				test.between(&first)
				_, err := j.PutDecisions(first)
				must(t, err)
			}
			j = reopen(t, j)
			second := decision(noon.Add(time.Minute))
			if test.then != nil {
				test.then(&second)
			}
			kept, err = j.PutDecisions(second)
			must(t, err)
			got := kept[0]
			if got.Count != test.count || (got.ID == first.ID) != (test.count > 1) {
				t.Errorf("got count %d, id %s after %s", got.Count, got.ID, first.ID)
			}
			if test.count > 1 && (!got.At.Equal(noon) || !got.LastAt.Equal(noon.Add(time.Minute)) || !got.Deadline.Equal(noon.Add(48*time.Hour)) || got.ActionID != first.ActionID || got.Outcome != first.Outcome) {
				t.Errorf("merged to %+v", got)
			}
			if got.Readings[0].Value != float64(noon.Add(time.Minute).Unix()) {
				t.Error("the readings are not the newer ones")
			}
		})
	}
}

func TestAnotherDecisionBetweenEndsTheCount(t *testing.T) {
	j := open(t, t.TempDir())
	one, other := decision(noon), decision(noon.Add(time.Minute))
	other.Row = 3
	again := decision(noon.Add(2 * time.Minute))
	kept, err := j.PutDecisions(one, one, other, again)
	must(t, err)
	if kept[1].Count != 2 || kept[2].Count != 1 || kept[3].Count != 1 || kept[3].ID == kept[0].ID {
		t.Errorf("counts %d %d %d", kept[1].Count, kept[2].Count, kept[3].Count)
	}
	all, err := j.Decisions(journal.DecisionFilter{Policy: "cpu", Target: "engram", Resource: policy.CPU})
	must(t, err)
	if len(all) != 3 || all[0].ID != kept[3].ID || all[2].ID != kept[0].ID {
		t.Errorf("listed %d", len(all))
	}
	if got, err := j.Decision(kept[0].ID[:6]); err != nil || got.Count != 2 {
		t.Errorf("by the begin of its id: %d, %v", got.Count, err)
	}
	if _, err := j.Decision("nothing"); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// TestWhatOnlyRepeatsItselfSparesTheDisk: every repetition counts for who reads, and few are written.
func TestWhatOnlyRepeatsItselfSparesTheDisk(t *testing.T) {
	j := open(t, t.TempDir())
	writes := 0
	j.FailWrites(func(string) error { writes++; return nil })
	const every, ticks = 15 * time.Second, 100
	var id string
	for i := range ticks {
		kept, err := j.PutDecisions(decision(noon.Add(time.Duration(i) * every)))
		must(t, err)
		id = kept[0].ID
		all, err := j.Decisions(journal.DecisionFilter{})
		must(t, err)
		one, err := j.Decision(id)
		must(t, err)
		if len(all) != 1 || all[0].Count != i+1 || one.Count != i+1 || !one.LastAt.Equal(noon.Add(time.Duration(i)*every)) {
			t.Fatalf("after %d: listed %d, counted %d and %d", i+1, len(all), all[0].Count, one.Count)
		}
	}
	if most := ticks/4 + 1; writes > most {
		t.Errorf("%d writes, want %d at most", writes, most)
	}
	before := writes
	one, err := j.Decision(id)
	must(t, err)
	one.ActionID, one.Outcome = "a1", actuators.Applying
	_, err = j.PutDecisions(one)
	must(t, err)
	if writes != before+1 {
		t.Error("what became of it was not written at once")
	}
	last, err := j.PutDecisions(decision(noon.Add(ticks * every))) // some more that a crash would forget, and a stop does not
	must(t, err)
	if got, err := reopen(t, j).Decision(id); err != nil || got.Count != ticks+1 || last[0].Count != ticks+1 || got.Outcome != actuators.Applying {
		t.Errorf("after a stop: %d, %s, %v", got.Count, got.Outcome, err)
	}
}

// TestWhatIsPrunedDoesNotComeBack has a decision repeat itself just before it is too old.
func TestWhatIsPrunedDoesNotComeBack(t *testing.T) {
	j := open(t, t.TempDir())
	for i := range 2 {
		_, err := j.PutDecisions(decision(noon.Add(time.Duration(i) * time.Second)))
		must(t, err)
	}
	n, err := j.Prune(noon.Add(24*time.Hour), journal.Retention{Age: time.Hour})
	must(t, err)
	if all, err := reopen(t, j).Decisions(journal.DecisionFilter{}); n != 1 || err != nil || len(all) != 0 {
		t.Errorf("pruned %d, %d are left, %v", n, len(all), err)
	}
}

func TestPruneKeepsWhatIsNeeded(t *testing.T) {
	j := open(t, t.TempDir())
	const day = 24 * time.Hour
	now := noon.Add(100 * day)
	barred := action("barred", noon, actuators.RolledBack)
	barred.RetryAfter = now.Add(time.Hour)
	for _, a := range []actuators.Action{
		action("old", noon, actuators.Committed),
		action("open", noon, actuators.Validating),
		barred,
		action("middle", now.Add(-20*day), actuators.Committed),
		action("fresh", now.Add(-day), actuators.Committed),
	} {
		must(t, j.Put(a))
		d := decision(a.Times[0].At)
		d.ID, d.Target = a.Decision.ID, a.ID
		_, err := j.PutDecisions(d)
		must(t, err)
	}
	_, err := j.PutDecisions(decision(noon))
	must(t, err)

	n, err := j.Prune(now, journal.Retention{Age: 90 * day})
	must(t, err)
	if n != 3 { // old, its decision, and the one without an action
		t.Errorf("pruned %d by age", n)
	}
	if _, err := j.Prune(now, journal.Retention{Actions: 1, Decisions: 1}); err != nil {
		t.Fatal(err)
	}
	j = reopen(t, j)
	actions, err := j.Actions(journal.ActionFilter{})
	must(t, err)
	if got := actionIDs(actions); got != "fresh open barred" && got != "fresh barred open" {
		t.Errorf("actions left: %s", got)
	}
	ds, err := j.Decisions(journal.DecisionFilter{})
	must(t, err)
	var left []string
	for _, d := range ds {
		left = append(left, d.Target)
	}
	if got := strings.Join(left, " "); len(left) != 3 || strings.Contains(got, "middle") {
		t.Errorf("decisions left: %s", got)
	}
}
