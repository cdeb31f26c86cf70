package conformance

import (
	"errors"
	"slices"
	"testing"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// forward holds what cannot be undone: it is refused where the target does not allow it, its plan has
// nothing after the first irreversible step that could be undone, an undo changes nothing, a smaller
// size is refused, and it can be begun again from the first step wherever it was left.
func (s Suite) forward(t *testing.T, m Move) {
	t.Run("only where it is allowed", func(t *testing.T) {
		b := s.bench(t, m)
		b.Target.AllowIrreversible = false
		if _, err := b.Driver.Plan(b.Target, b.was, policy.Size{m.Resource: m.To}); !errors.Is(err, actuators.ErrRefused) {
			t.Errorf("Plan without allow_irreversible: %v, want ErrRefused", err)
		}
	})
	t.Run("the irreversible last", func(t *testing.T) {
		b := s.bench(t, m)
		first := slices.IndexFunc(b.plan.Steps, func(s actuators.Step) bool { return s.Irreversible })
		if first < 0 || slices.ContainsFunc(b.plan.Steps[first:], func(s actuators.Step) bool { return !s.Irreversible }) {
			t.Errorf("steps %+v: want some irreversible, and all after the first of them", b.plan.Steps)
		}
	})
	t.Run("an undo changes nothing", func(t *testing.T) {
		b := s.bench(t, m)
		b.undo(b.plan.Steps...)
		b.same(b.await(m.From, "after undo without do"), "after undo without do")
		b.do(b.plan.Steps...)
		b.undo(b.plan.Steps...)
		st := b.await(m.To, "after do and undo")
		if _, err := b.Driver.Plan(b.Target, st, policy.Size{m.Resource: m.From}); !errors.Is(err, actuators.ErrRefused) {
			t.Errorf("Plan back: %v, want ErrRefused", err)
		}
	})
	t.Run("begun again wherever it was left", func(t *testing.T) {
		for n := range s.bench(t, m).plan.Steps {
			b := s.bench(t, m)
			b.do(b.plan.Steps[:n+1]...)
			b.do(b.plan.Steps...)
			b.untouched(b.await(m.To, "after it was begun again"), "after it was begun again")
		}
	})
}
