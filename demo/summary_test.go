package demo

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/api/view"
	"github.com/engramd/engramd/demo/show"
	"github.com/engramd/engramd/policy"
	"github.com/google/go-cmp/cmp"
)

const queue = `max(avg_over_time(engram_spreading_queue_depth{target="node"}[3s]))`

// A told is an agent that tells what it was given.
type told struct {
	status  api.Status
	actions []api.ActionView // newest first, as the API has them
	plans   []api.PlanView
	err     error
}

func (t *told) Status(context.Context) (api.Status, error) { return t.status, t.err }
func (t *told) Actions(context.Context, api.ActionQuery) ([]api.ActionView, error) {
	return append([]api.ActionView(nil), t.actions...), t.err
}
func (t *told) Plan(context.Context, string) ([]api.PlanView, error) { return t.plans, t.err }
func (t *told) Explain(_ context.Context, id string) (api.Explanation, error) {
	return api.Explanation{Decision: policy.Decision{ID: id, Proposal: policy.Proposal{
		Policy: "workers", Row: 2, Condition: "queue >= 1.2", Readings: []policy.Reading{{Signal: "queue", Expr: queue, Value: 2, Known: true}, {Signal: "hot"}},
	}}}, t.err
}

func growing(id string, from, to int64, state actuators.ActionState, reason, diagnosis string) api.ActionView {
	return api.ActionView{
		ID: id, DecisionID: "d" + id, Resource: policy.ThreadsSpreading, From: policy.Amount(from), To: policy.Amount(to),
		State: state, Reason: reason, Diagnosis: diagnosis,
	}
}

func evicted(id string, state actuators.ActionState) api.ActionView {
	return api.ActionView{ID: id, DecisionID: "d" + id, Resource: policy.EvictNow, State: state, Reason: "hot is 9"}
}

func directing(agent *told) *director {
	d := &director{stage: &stage{place: &place{Dir: "/tmp/demo"}}, watch: newWatcher(agent, func() int64 { return 0 }), story: story(2), began: time.Now()}
	return d
}

func summary(t *testing.T, agent *told) Summary {
	t.Helper()
	d := directing(agent)
	if err := d.watch.look(t.Context(), time.Now(), &d.state); err != nil {
		t.Fatal(err)
	}
	s, err := d.summarize(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSummaryOfAll(t *testing.T) {
	s := summary(t, &told{actions: []api.ActionView{
		growing("a3", 2, 4, actuators.RolledBack, "no effect: "+queue+" is 20", "the CPU is used up"),
		evicted("a2", actuators.Committed),
		growing("a1", 1, 2, actuators.Committed, queue+" is 1: it left the row that led here", ""),
	}})
	s.Seconds = 41
	var b strings.Builder
	if err := s.Text(&b, false, view.View{}); err != nil {
		t.Fatal(err)
	}
	want := `engramd demo: 41 s; everything happened that it is for

  committed: threads.spreading 1 -> 2
      queue is 1: it left the row that led here
      engramd explain --data-dir /tmp/demo a1

  committed: tiers.evict
      hot is 9
      engramd explain --data-dir /tmp/demo a2

  rolled_back: threads.spreading 2 -> 4
      no effect: queue is 20
      diagnosis: the CPU is used up
      engramd explain --data-dir /tmp/demo a3

The journal, the events and the agent's log stay in
  /tmp/demo
until you remove them.
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := s.err(); err != nil {
		t.Error(err)
	}
}

// TestSummaryOfWhatDidNotHappen holds that what is missing is an error, and that the reason is told.
func TestSummaryOfWhatDidNotHappen(t *testing.T) {
	helped, back := growing("a1", 1, 2, actuators.Committed, "it helped", ""), growing("a3", 2, 4, actuators.RolledBack, "no effect", "CPU")
	for name, c := range map[string]struct {
		agent told
		part  int
		why   string
	}{
		"taken back at once":  {told{actions: []api.ActionView{growing("a1", 1, 2, actuators.RolledBack, "no effect: "+queue+" is 2", "lock")}}, 0, "threads.spreading 1 -> 2 (a1) is rolled_back: no effect: queue is 2"},
		"still watched":       {told{actions: []api.ActionView{growing("a3", 2, 4, actuators.Validating, "", ""), helped}}, 2, "threads.spreading 2 -> 4 (a3) is validating"},
		"more was needed":     {told{actions: []api.ActionView{growing("a3", 2, 4, actuators.Insufficient, "it uses 3.9 cores", ""), helped}}, 2, "it uses 3.9 cores"},
		"without a diagnosis": {told{actions: []api.ActionView{growing("a3", 2, 4, actuators.RolledBack, "no effect", ""), helped}}, 2, "is rolled_back"},
		"kept":                {told{actions: []api.ActionView{back, evicted("a2", actuators.Kept), helped}}, 1, "tiers.evict (a2) is kept: hot is 9"},
		"helped after all":    {told{actions: []api.ActionView{growing("a3", 2, 4, actuators.Committed, "queue is 1", ""), helped}}, 2, "threads.spreading 2 -> 4 (a3) is committed: queue is 1"},
		"refused":             {told{plans: []api.PlanView{{Resource: policy.ThreadsSpreading, Refused: "max is 1"}}}, 0, "threads.spreading was refused: max is 1"},
		"held":                {told{plans: []api.PlanView{{Resource: policy.EvictNow, Held: &policy.Held{Text: "the cooldown"}}}}, 1, "tiers.evict was held: the cooldown"},
		"nobody asked":        {told{status: api.Status{Targets: []api.TargetStatus{{Policies: []api.PolicyStatus{{Name: "workers", Condition: "queue < 1.2", Verdict: policy.None}}}}}}, 0, "no row asked for it in its time (workers: queue < 1.2, none)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := summary(t, &c.agent)
			if s.Complete || !errors.Is(s.err(), ErrIncomplete) {
				t.Errorf("complete: %v, error: %v", s.Complete, s.err())
			}
			part := s.Parts[c.part]
			if part.Happened || !strings.Contains(part.Why, c.why) {
				t.Errorf("happened: %v, why: %q, want %q", part.Happened, part.Why, c.why)
			}
			var b strings.Builder
			if err := s.Text(&b, true, view.View{}); err != nil || !strings.Contains(b.String(), "did not happen: "+part.What) {
				t.Errorf("%v:\n%s", err, b.String())
			}
		})
	}
}

// TestStateOfWhatTheAgentShows makes a state of one look.
func TestStateOfWhatTheAgentShows(t *testing.T) {
	now := time.Now()
	check := growing("a1", 1, 2, actuators.Validating, "watched", "")
	check.Checks = []actuators.Check{{Text: "nothing yet"}, {Shown: new(false), Text: queue + " is 2"}, {Shown: new(true), Text: queue + " is 1"}}
	w := newWatcher(&told{actions: []api.ActionView{check}, status: api.Status{NotReady: "", Targets: []api.TargetStatus{{
		State: api.TargetBlind, Detail: "no samples",
		Resources: []api.ResourceStatus{{Resource: policy.ThreadsSpreading, Effective: policy.Amount(2)}},
		Policies: []api.PolicyStatus{
			{Name: "workers", Condition: "queue >= 1.2", Verdict: policy.HoldSize, Since: now.Add(-2 * time.Second), Readings: []policy.Reading{{Signal: "queue", Value: 2, Known: true}}},
			{Name: "tiers", Verdict: policy.Blind, Why: "hot is unknown", Readings: []policy.Reading{{Signal: "hot", Value: 9}}},
		},
	}}}}, func() int64 { return 30 })
	var s show.State
	if err := w.look(t.Context(), now, &s); err != nil {
		t.Fatal(err)
	}
	frame := show.Draw(s, 100, 0, show.Look{ASCII: true})
	for _, want := range []string{
		"queue of spreads   2", "hot tier           -", "workers            2", "served per second  -",
		"queue >= 1.2  true for 2s so far", "blind: hot is unknown", "threads.spreading 1 -> 2  validating  a1",
		"because workers, row 2: queue >= 1.2 (queue was 2)", "effect ?x+ queue is 1", "the node is blind: no samples",
	} {
		if !strings.Contains(frame, want) {
			t.Errorf("no %q in\n%s", want, frame)
		}
	}
	if err := w.look(t.Context(), now.Add(time.Second), &s); err != nil {
		t.Fatal(err)
	}
	if h := s.Signals[3].History; len(h) != 2 || h[1] != 0 {
		t.Errorf("served %v a second, want 0 at last", h)
	}
	w.agent = &told{err: errors.New("gone")}
	if err := w.look(t.Context(), now, &s); err == nil {
		t.Error("an agent that is gone is no error")
	}
}
