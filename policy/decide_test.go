package policy_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/policy"
	"github.com/google/go-cmp/cmp"
)

// propose is a matrix's proposal with a name of its own.
func propose(name string, v policy.Verdict, c policy.Change) policy.Proposal {
	return policy.Proposal{Policy: name, Source: policy.FromMatrix, Row: 1, Verdict: v, Change: c}
}

func evaluation(veto bool, on []policy.Resource, proposals ...policy.Proposal) policy.Evaluation {
	e := policy.Evaluation{Policy: "m", Verdict: policy.None, Row: 1, Proposals: proposals}
	if veto {
		e.Veto, e.VetoOn, e.Verdict, e.Text = true, on, policy.HoldSize, "row 2 (cpu < 50): hold"
	}
	return e
}

func TestArbitration(t *testing.T) {
	x2, x4 := change(t, policy.CPU, "x2", "", ""), change(t, policy.CPU, "x4", "", "")
	less, muchLess := change(t, policy.CPU, "-20%", "", ""), change(t, policy.CPU, "-60%", "", "")
	rightsize := func(p policy.Proposal) policy.Proposal { p.Source = policy.FromRightsize; return p }
	mode := func(m policy.Mode, p policy.Proposal) policy.Proposal { p.Mode = m; return p }
	for _, c := range []struct {
		name      string
		proposals []policy.Proposal
		veto      []policy.Resource
		vetoes    bool
		edit      func(*policy.Situation)
		winner    string
		to        policy.Quantity
		refused   string
		losers    []string // name: part of the reason
	}{
		{name: "larger over smaller", proposals: []policy.Proposal{propose("a", policy.Scale, x2), propose("b", policy.Scale, x4)},
			winner: "b", to: cores(8), losers: []string{"a: the larger size goes first: b (cpu 2 cores to 8 cores)"}},
		{name: "larger over smaller also down", proposals: []policy.Proposal{propose("a", policy.Scale, muchLess), propose("b", policy.Scale, less)},
			winner: "b", to: cores(1.6), losers: []string{"a: the larger size"}},
		{name: "growth over decrease", proposals: []policy.Proposal{propose("a", policy.Scale, less), propose("b", policy.Scale, x2)},
			winner: "b", to: cores(4), losers: []string{"a: a growth goes before a decrease: b"}},
		{name: "growth over veto", proposals: []policy.Proposal{propose("b", policy.Scale, x2)}, vetoes: true, winner: "b", to: cores(4)},
		{name: "veto over decrease", proposals: []policy.Proposal{propose("a", policy.Scale, less), propose("b", policy.Scale, muchLess)}, vetoes: true,
			winner: "a", to: cores(1.6), refused: "policy m vetoes a decrease: row 2 (cpu < 50): hold", losers: []string{"b: policy m vetoes a decrease"}},
		{name: "veto on the resource", proposals: []policy.Proposal{propose("a", policy.Scale, less)}, vetoes: true, veto: []policy.Resource{policy.CPU},
			winner: "a", to: cores(1.6), refused: "policy m vetoes"},
		{name: "veto on another resource", proposals: []policy.Proposal{propose("a", policy.Scale, less)}, vetoes: true, veto: []policy.Resource{policy.Memory},
			winner: "a", to: cores(1.6)},
		{name: "the more urgent of two equal ones", proposals: []policy.Proposal{propose("a", policy.Scale, x2), propose("b", policy.Emergency, x2)},
			winner: "b", to: cores(4), losers: []string{"a: the more urgent goes first"}},
		{name: "the same twice", proposals: []policy.Proposal{propose("b", policy.Scale, x2), propose("a", policy.Scale, x2)},
			winner: "a", to: cores(4), losers: []string{"b: the same is proposed by a"}},
		{name: "a plan keeps nothing from running", proposals: []policy.Proposal{propose("a", policy.PlanOnly, x4), propose("b", policy.Scale, x2)},
			winner: "b", to: cores(4), losers: []string{"a: it would only be a plan; b"}},
		{name: "nor does a dry run", proposals: []policy.Proposal{mode(policy.DryRun, propose("a", policy.Scale, x4)), propose("b", policy.Scale, x2)},
			winner: "b", to: cores(4), losers: []string{"a: it would only be a plan"}},
		{name: "a planned growth keeps from shrinking", proposals: []policy.Proposal{propose("a", policy.PlanOnly, x2), propose("b", policy.Scale, less)},
			winner: "a", to: cores(4), losers: []string{"b: a growth goes before a decrease"}},
		{name: "a refused growth does, too", proposals: []policy.Proposal{propose("a", policy.Scale, x2), propose("b", policy.Scale, less)},
			edit:   func(s *policy.Situation) { s.Host.Capacity = nil },
			winner: "a", refused: "the host's cpu is not known", losers: []string{"b: a growth goes before"}},
		{name: "what is refused gives way to what is not", proposals: []policy.Proposal{propose("a", policy.Scale, x4), propose("b", policy.Scale, x2)},
			edit: func(s *policy.Situation) {
				s.Tried = []policy.Attempt{{Resource: policy.CPU, Policy: "a", Row: 1, From: cores(2), To: cores(8), At: noon.Add(-time.Hour), RetryAfter: noon.Add(time.Hour)}}
			},
			winner: "b", to: cores(4), losers: []string{"a: cpu 2 cores to 8 cores had no effect at 2025-06-02 11:00:00 UTC; not again in the same circumstances until"}},
		{name: "what must wait gives way to an emergency", proposals: []policy.Proposal{propose("a", policy.Scale, x4), propose("b", policy.Emergency, x2)},
			edit: func(s *policy.Situation) {
				s.Safety.Cooldown.Up = time.Hour
				s.Ledger = s.Ledger.Changed(noon.Add(-time.Minute), policy.CPU, policy.Growth)
			},
			winner: "b", to: cores(4), losers: []string{"a: it has to wait for its cooldown or budget"}},
		{name: "rightsize owns it: advice", proposals: []policy.Proposal{propose("a", policy.Scale, x4), rightsize(propose("r", policy.Scale, less))},
			edit:   func(s *policy.Situation) { s.Rightsize = map[policy.Resource]string{policy.CPU: "r"} },
			winner: "r", to: cores(1.6), losers: []string{"a: advice for a person: right-size policy r owns cpu"}},
		{name: "rightsize owns it: emergency", proposals: []policy.Proposal{propose("a", policy.Emergency, x4), rightsize(propose("r", policy.Scale, less))},
			edit:   func(s *policy.Situation) { s.Rightsize = map[policy.Resource]string{policy.CPU: "r"} },
			winner: "a", to: cores(8), losers: []string{"r: a growth goes before"}},
		{name: "rightsize owns it and says nothing", proposals: []policy.Proposal{propose("a", policy.Scale, x4)},
			edit:   func(s *policy.Situation) { s.Rightsize = map[policy.Resource]string{policy.CPU: "r"} },
			winner: "a", to: cores(8), refused: "advice for a person: right-size policy r owns cpu"},
		{name: "nobody can change it", proposals: []policy.Proposal{propose("a", policy.Scale, x2)},
			edit:   func(s *policy.Situation) { delete(s.Owners, policy.CPU) },
			winner: "a", to: cores(4), refused: "advice for a person: no driver of engram can change cpu"},
		{name: "frozen", proposals: []policy.Proposal{propose("a", policy.Emergency, x2)},
			edit:   func(s *policy.Situation) { s.Frozen = map[policy.Resource]string{policy.CPU: "two reversals"} },
			winner: "a", to: cores(4), refused: "cpu is frozen: two reversals"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := situation()
			s.Evaluations = []policy.Evaluation{evaluation(c.vetoes, c.veto)}
			s.Proposals = c.proposals
			if c.edit != nil {
				c.edit(&s)
			}
			d := policy.Decide(s)[0]
			if d.Policy != c.winner || d.To != c.to || !strings.Contains(d.Refused, c.refused) || (d.Refused == "") != (c.refused == "") {
				t.Errorf("%s to %v, refused %q; want %s to %v, %q", d.Policy, d.To, d.Refused, c.winner, c.to, c.refused)
			}
			if d.Advice != strings.Contains(c.refused, "advice") {
				t.Errorf("advice = %v beside %q", d.Advice, d.Refused)
			}
			if len(d.Losers) != len(c.losers) || len(d.Losers) != len(c.proposals)-1 {
				t.Fatalf("losers %+v, want %q", d.Losers, c.losers)
			}
			for i, want := range c.losers {
				if got := d.Losers[i].Proposal.Policy + ": " + d.Losers[i].Reason; !strings.HasPrefix(got, want) {
					t.Errorf("loser %q, want %q", got, want)
				}
			}
		})
	}
}

func TestWhatHadNoEffectIsNotTriedAgain(t *testing.T) {
	attempt := policy.Attempt{
		Resource: policy.CPU, Policy: "a", Row: 1, From: cores(2), To: cores(4), DemandCores: new(2.0),
		At: noon.Add(-time.Hour), RetryAfter: noon.Add(time.Hour),
	}
	for _, c := range []struct {
		name    string
		edit    func(*policy.Situation, *policy.Attempt)
		refused bool
	}{
		{"the same", nil, true},
		{"demand a tenth off", func(s *policy.Situation, _ *policy.Attempt) { s.DemandCores = new(2.19) }, true},
		{"demand has grown", func(s *policy.Situation, _ *policy.Attempt) { s.DemandCores = new(2.21) }, false},
		{"demand has fallen", func(s *policy.Situation, _ *policy.Attempt) { s.DemandCores = new(1.7) }, false},
		{"demand is not known", func(s *policy.Situation, _ *policy.Attempt) { s.DemandCores = nil }, true},
		{"demand was not known", func(_ *policy.Situation, a *policy.Attempt) { a.DemandCores = nil }, true},
		{"time is over", func(_ *policy.Situation, a *policy.Attempt) { a.RetryAfter = noon }, false},
		{"another row", func(_ *policy.Situation, a *policy.Attempt) { a.Row = 2 }, false},
		{"another policy", func(_ *policy.Situation, a *policy.Attempt) { a.Policy = "b" }, false},
		{"another size before", func(_ *policy.Situation, a *policy.Attempt) { a.From = cores(1) }, false},
		{"another size after", func(_ *policy.Situation, a *policy.Attempt) { a.To = cores(8) }, false},
		{"another resource", func(_ *policy.Situation, a *policy.Attempt) { a.Resource = policy.Memory }, false},
	} {
		s, a := situation(), attempt
		s.DemandCores = new(2.0)
		if c.edit != nil {
			c.edit(&s, &a)
		}
		s.Tried = []policy.Attempt{a}
		d := one(t, s, propose("a", policy.Scale, change(t, policy.CPU, "x2", "", "")))
		if (d.Refused != "") != c.refused {
			t.Errorf("%s: refused %q, want %v", c.name, d.Refused, c.refused)
		}
	}
}

func TestOrderOfDecisions(t *testing.T) {
	s := situation()
	for _, c := range []policy.Change{
		change(t, policy.Memory, "50%", "", ""), change(t, policy.Prune, "", "", ""), change(t, policy.CPU, "x2", "", ""),
		change(t, policy.EvictNow, "", "", ""), change(t, policy.Archive, "", "", ""), change(t, policy.TiersHotThreshold, "0.1", "", ""),
		{Resource: "unheard-of"},
	} {
		s.Proposals = append(s.Proposals, scale(c))
	}
	var got []policy.Resource
	for _, d := range policy.Decide(s) {
		got = append(got, d.Change.Resource)
	}
	want := []policy.Resource{policy.TiersHotThreshold, policy.EvictNow, policy.Archive, policy.Prune, policy.CPU, policy.Memory, "unheard-of"}
	if !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

func TestModes(t *testing.T) {
	for _, c := range []struct{ agent, target, policy, want policy.Mode }{
		{"", "", "", policy.Approve},
		{policy.Auto, "", "", policy.Auto},
		{policy.Auto, policy.Approve, "", policy.Approve},
		{policy.Approve, policy.Auto, "", policy.Auto},
		{policy.Auto, policy.Approve, policy.Auto, policy.Auto},
		{policy.Auto, policy.Auto, policy.DryRun, policy.DryRun},
		{policy.Auto, policy.DryRun, "", policy.DryRun},
		{policy.DryRun, policy.Auto, policy.Auto, policy.DryRun},
	} {
		if got := policy.EffectiveMode(c.agent, c.target, c.policy); got != c.want {
			t.Errorf("agent %q, target %q, policy %q: %q, want %q", c.agent, c.target, c.policy, got, c.want)
		}
	}
}

func TestCooldownAndBudgetTouchADecision(t *testing.T) {
	s := situation()
	s.Safety = policy.Safety{Cooldown: policy.Cooldown{Up: 5 * time.Minute, Down: 30 * time.Minute}, Budget: policy.Budget{PerHour: 1, PerDay: 12, EmergenciesPerDay: 4}}
	s.Ledger = s.Ledger.Spend(noon.Add(-2*time.Minute), policy.Regular, "act-1").Changed(noon.Add(-2*time.Minute), policy.CPU, policy.Growth)
	d := one(t, s, propose("a", policy.Scale, change(t, policy.CPU, "x2", "", "")))
	want := []policy.Touch{
		{Limit: "cooldown up", From: cores(4), To: cores(4), Text: "the cooldown of cpu ends in 3m"},
		{Limit: "budget", From: cores(4), To: cores(4), Text: "the budget of 1 change an hour is spent; one more is allowed at 2025-06-02 12:58:00 UTC"},
	}
	if diff := cmp.Diff(want, d.Touches, compareQuantities); diff != "" {
		t.Error(diff)
	}
	if d.Held == nil || d.Held.By != policy.HeldByCooldown || !d.Held.Until.Equal(noon.Add(3*time.Minute)) {
		t.Errorf("held %+v", d.Held)
	}
	d = one(t, s, propose("a", policy.Scale, change(t, policy.CPU, "-20%", "", "")))
	if len(d.Touches) != 2 || d.Touches[0].Limit != "cooldown down" || d.Touches[0].Text != "the cooldown of cpu ends in 28m" {
		t.Errorf("a decrease after a growth: %+v", d.Touches)
	}
	s.AgentMode = policy.DryRun // has a ledger of its own
	if d = one(t, s, propose("a", policy.Scale, change(t, policy.CPU, "x2", "", ""))); len(d.Touches) != 0 || d.Held.By != policy.HeldByDryRun {
		t.Errorf("a dry run met the real ledger: %+v %+v", d.Touches, d.Held)
	}
	s.Shadow = s.Ledger
	if d = one(t, s, propose("a", policy.Scale, change(t, policy.CPU, "x2", "", ""))); len(d.Touches) != 2 {
		t.Errorf("a dry run does not shadow cooldown and budget: %+v", d.Touches)
	}
}

func TestADeadlineIsCountedOnce(t *testing.T) {
	first := noon.Add(time.Hour)
	waiting := policy.OpenAction{ID: "a1", Resource: policy.CPU, State: "waiting", Policy: "a", Row: 1, Deadline: first}
	for name, c := range map[string]struct {
		edit func(*policy.OpenAction)
		want time.Time
	}{
		"the one that waits":   {func(*policy.OpenAction) {}, first},
		"another row":          {func(a *policy.OpenAction) { a.Row = 2 }, noon.Add(48 * time.Hour)},
		"one that runs":        {func(a *policy.OpenAction) { a.State = "validating" }, noon.Add(48 * time.Hour)},
		"one without":          {func(a *policy.OpenAction) { a.Deadline = time.Time{} }, noon.Add(48 * time.Hour)},
		"one with a later one": {func(a *policy.OpenAction) { a.Deadline = noon.Add(99 * time.Hour) }, noon.Add(48 * time.Hour)},
	} {
		s, a := situation(), waiting
		c.edit(&a)
		s.Actions = []policy.OpenAction{a}
		p := propose("a", policy.Scale, change(t, policy.CPU, "x2", "", ""))
		p.Deadline = noon.Add(48 * time.Hour)
		if d := one(t, s, p); !d.Deadline.Equal(c.want) {
			t.Errorf("%s: deadline %v, want %v", name, d.Deadline, c.want)
		}
	}
}

func TestIdenticalDecisionsAreOne(t *testing.T) {
	s := situation()
	p := propose("a", policy.Scale, change(t, policy.CPU, "x2", "", ""))
	p.Deadline = noon.Add(48 * time.Hour)
	first := one(t, s, p)
	first.ID, first.ActionID = "d1", "act-1"
	s.Now = noon.Add(time.Minute)
	p.Deadline = s.Now.Add(48 * time.Hour)
	again := one(t, s, p)
	merged := first.Again(again)
	if merged.Count != 2 || merged.ID != "d1" || merged.ActionID != "act-1" || !merged.At.Equal(noon) || !merged.LastAt.Equal(s.Now) || !merged.Deadline.Equal(first.Deadline) {
		t.Errorf("%+v", merged)
	}
}

func TestDecisionSurvivesJSON(t *testing.T) {
	s := situation()
	s.Evaluations = []policy.Evaluation{evaluation(false, nil, propose("a", policy.Scale, change(t, policy.CPU, "x4", "", "8")), propose("b", policy.Scale, change(t, policy.CPU, "", "max", "")))}
	s.Sizes[policy.CPU] = cores(6)
	want := policy.Decide(s)[0]
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got policy.Decision
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, compareQuantities); diff != "" {
		t.Error(diff)
	}
}
