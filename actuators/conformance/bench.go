package conformance

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
	"github.com/google/go-cmp/cmp"
)

// A bench is one case under way: a fresh target, what it was, and the plan for its move.
type bench struct {
	Harness
	t        *testing.T
	move     Move
	patience time.Duration
	was      actuators.State
	plan     actuators.Plan
}

// bench starts a fresh target and plans the move.
func (s Suite) bench(t *testing.T, m Move) *bench {
	t.Helper()
	b := s.fresh(t, m)
	plan, err := b.Driver.Plan(b.Target, b.was, policy.Size{m.Resource: m.To})
	if err != nil {
		t.Fatalf("Plan: %v", err)
	}
	if plan.Strategy != m.Strategy {
		t.Errorf("Plan: strategy %s, want %s", plan.Strategy, m.Strategy)
	}
	if len(plan.Steps) == 0 {
		t.Fatal("Plan: no steps")
	}
	if plan.Command == "" {
		t.Error("Plan: no command that a person would type")
	}
	b.plan = plan
	b.plan.Steps = b.journalled(plan.Steps)
	return b
}

// fresh starts a target for m and observes it.
func (s Suite) fresh(t *testing.T, m Move) *bench {
	t.Helper()
	sizes := policy.Size{}
	if !m.From.IsUnset() && !m.From.IsUnlimited() {
		sizes[m.Resource] = m.From
	}
	b := &bench{Harness: s.Fresh(t, sizes), t: t, move: m, patience: s.Patience}
	if m.Target != nil {
		m.Target(&b.Target)
	}
	b.was = b.await(m.From, "a fresh target")
	return b
}

// journalled sends steps through JSON, as the journal does.
func (b *bench) journalled(steps []actuators.Step) []actuators.Step {
	b.t.Helper()
	text, err := json.Marshal(steps)
	if err != nil {
		b.t.Fatalf("a step cannot be journalled: %v", err)
	}
	var back []actuators.Step
	if err := json.Unmarshal(text, &back); err != nil {
		b.t.Fatal(err)
	}
	for _, s := range back {
		if s.Kind == "" || s.Text == "" {
			b.t.Errorf("step %+v: want a kind and a text", s)
		}
	}
	return back
}

func (b *bench) observe() actuators.State {
	b.t.Helper()
	st, err := b.Driver.Observe(b.t.Context(), b.Target)
	if err != nil {
		b.t.Fatalf("Observe: %v", err)
	}
	return st
}

func (b *bench) do(steps ...actuators.Step) {
	b.t.Helper()
	for _, s := range steps {
		if err := b.Driver.Do(b.t.Context(), b.Target, s); err != nil {
			b.t.Fatalf("Do %s: %v", s.Text, err)
		}
		b.neverTwo("after do " + s.Text)
	}
}

// undo undoes steps, the last one first.
func (b *bench) undo(steps ...actuators.Step) {
	b.t.Helper()
	for _, s := range slices.Backward(steps) {
		if err := b.Driver.Undo(b.t.Context(), b.Target, s); err != nil {
			b.t.Fatalf("Undo %s: %v", s.Text, err)
		}
		b.neverTwo("after undo " + s.Text)
	}
}

// running counts what runs of the target now.
func (b *bench) running() int {
	b.t.Helper()
	if b.Running != nil {
		return b.Running(b.t)
	}
	st, err := b.Driver.Observe(b.t.Context(), b.Target)
	if err != nil {
		return 0
	}
	n := 0
	for _, p := range st.Parts {
		if p.Running {
			n++
		}
	}
	return n
}

func (b *bench) neverTwo(when string) {
	b.t.Helper()
	if n := b.running(); n > max(1, len(b.was.Parts)) {
		b.t.Errorf("%s: %d run at once, of %d", when, n, len(b.was.Parts))
	}
}

// await observes until every part runs with size in effect, and what is configured agrees.
func (b *bench) await(size policy.Quantity, when string) actuators.State {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), b.patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		st := b.observe()
		why := b.wrong(st, size)
		if why == "" {
			return st
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.t.Fatalf("%s: %s", when, why)
		}
	}
}

// wrong says what of st is not as it should be with size.
func (b *bench) wrong(st actuators.State, size policy.Quantity) string {
	res := b.move.Resource
	if len(st.Parts) == 0 {
		return "no parts"
	}
	for _, p := range st.Parts {
		got, ok := p.Effective[res]
		told, _ := p.Size(res)
		switch {
		case !p.Running:
			return p.Name + " does not run"
		case p.ID == "" || p.Name == "" || p.StartedAt.IsZero():
			return "a part without id, name or start time"
		case !ok:
			return p.Name + ": no effective " + string(res)
		case !actuators.Same(res, got, size):
			return p.Name + ": effective " + res.Format(got) + ", want " + res.Format(size)
		case !actuators.Same(res, told, size):
			return p.Name + ": configured " + res.Format(told) + ", want " + res.Format(size)
		}
	}
	return ""
}

// same wants the target to be what it was: sizes exactly, unset kept apart from unlimited and n.
func (b *bench) same(st actuators.State, when string) {
	b.t.Helper()
	if diff := cmp.Diff(configured(b.was), configured(st), exact); diff != "" {
		b.t.Errorf("%s: configured (-was +is):\n%s", when, diff)
	}
	if n := b.running(); n != len(b.was.Parts) {
		b.t.Errorf("%s: %d run, want %d", when, n, len(b.was.Parts))
	}
}

var exact = cmp.Comparer(func(a, b policy.Quantity) bool { return a == b })

// configured is what every part was told, by its name.
func configured(st actuators.State) map[string]policy.Size {
	sizes := map[string]policy.Size{}
	for _, p := range st.Parts {
		size := policy.Size{}
		for res, q := range p.Configured {
			if !q.IsUnset() { // absent and unset are the same
				size[res] = q
			}
		}
		sizes[p.Name] = size
	}
	return sizes
}

// untouched wants the same parts, never restarted since.
func (b *bench) untouched(st actuators.State, when string) {
	b.t.Helper()
	if diff := cmp.Diff(actuators.PartIDsOf(b.was), actuators.PartIDsOf(st)); diff != "" {
		b.t.Errorf("%s: parts (-was +is):\n%s", when, diff)
	}
}
