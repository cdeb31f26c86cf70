package conformance

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
	"github.com/google/go-cmp/cmp"
)

// promptly is how soon a call must return once its context is over.
const promptly = 5 * time.Second

func (s Suite) absent(t *testing.T) {
	h := s.Fresh(t, policy.Size{})
	if _, err := h.Driver.Observe(t.Context(), h.Absent); !errors.Is(err, actuators.ErrNotFound) {
		t.Errorf("Observe of an absent target: %v, want ErrNotFound", err)
	}
	if len(h.Driver.Resources()) == 0 {
		t.Error("Resources: none")
	}
}

// refuse wants Plan to refuse a move, and nothing to have changed.
func (s Suite) refuse(t *testing.T, m Move) {
	b := s.fresh(t, m)
	_, err := b.Driver.Plan(b.Target, b.was, policy.Size{m.Resource: m.To})
	if !errors.Is(err, actuators.ErrRefused) {
		t.Errorf("Plan: %v, want ErrRefused", err)
	}
	st := b.observe()
	b.same(st, "after a refused plan")
	b.untouched(st, "after a refused plan")
}

func (b *bench) planIsPure() {
	again, err := b.Driver.Plan(b.Target, b.was, policy.Size{b.move.Resource: b.move.To})
	if err != nil {
		b.t.Fatalf("the same plan again: %v", err)
	}
	again.Steps = b.journalled(again.Steps)
	if diff := cmp.Diff(b.plan, again); diff != "" {
		b.t.Errorf("the same plan twice (-first +second):\n%s", diff)
	}
	st := b.observe()
	b.same(st, "after Plan")
	b.untouched(st, "after Plan")
}

func (b *bench) doShows() {
	b.do(b.plan.Steps...)
	st := b.await(b.move.To, "after do")
	if b.plan.Strategy == policy.Live {
		b.untouched(st, "after a live change")
	} else if cmp.Equal(actuators.PartIDsOf(b.was), actuators.PartIDsOf(st)) {
		b.t.Error("after a restart: the parts are the same, with the same start times")
	}
	if n := b.running(); n != len(b.was.Parts) {
		b.t.Errorf("after do: %d run, want %d", n, len(b.was.Parts))
	}
	b.others(st)
}

// others wants a change of one resource to leave the rest alone.
func (b *bench) others(st actuators.State) {
	b.t.Helper()
	was, is := configured(b.was), configured(st)
	for name := range was {
		for _, r := range append(b.move.Along, b.move.Resource) {
			delete(was[name], r)
			delete(is[name], r)
		}
	}
	if diff := cmp.Diff(was, is, exact); diff != "" {
		b.t.Errorf("a change of %s changed other resources (-was +is):\n%s", b.move.Resource, diff)
	}
}

func (b *bench) doTwice() {
	for _, s := range b.plan.Steps {
		b.do(s, s)
	}
	b.await(b.move.To, "after each step was done twice")
	b.undo(b.plan.Steps...)
	b.same(b.await(b.move.From, "after undo"), "after undo of steps done twice")
}

func (b *bench) undoRestores() {
	b.do(b.plan.Steps...)
	b.await(b.move.To, "after do")
	b.undo(b.plan.Steps...)
	b.same(b.await(b.move.From, "after undo"), "after undo")
	b.undo(b.plan.Steps...)
	b.same(b.await(b.move.From, "after a second undo"), "after a second undo")
}

func (b *bench) undoWithoutDo() {
	b.undo(b.plan.Steps...)
	st := b.await(b.move.From, "after undo without do")
	b.same(st, "after undo without do")
	b.untouched(st, "after undo without do")
}

// undoPartial undoes after each number of steps, with the next one begun and not done: it was
// journalled, and nobody knows whether it ran. The same target serves all of them.
func (b *bench) undoPartial() {
	for n := range b.plan.Steps {
		b.do(b.plan.Steps[:n]...)
		b.undo(b.plan.Steps[:n+1]...)
		b.same(b.await(b.move.From, "after undo of a part"), "after undo of a part")
		if n+1 < len(b.plan.Steps) {
			b.replan()
		}
	}
}

// replan plans the move again: a restart that was undone may have left other ids.
func (b *bench) replan() {
	b.t.Helper()
	b.was = b.observe()
	plan, err := b.Driver.Plan(b.Target, b.was, policy.Size{b.move.Resource: b.move.To})
	if err != nil {
		b.t.Fatalf("Plan again: %v", err)
	}
	b.plan = plan
	b.plan.Steps = b.journalled(plan.Steps)
}

// backByPlan goes back by a plan of its own, as release does. Where there was no limit the driver may
// refuse that, in Plan and with nothing changed.
func (b *bench) backByPlan() {
	b.do(b.plan.Steps...)
	st := b.await(b.move.To, "after do")
	b.clearAway()
	plan, err := b.Driver.Plan(b.Target, st, policy.Size{b.move.Resource: b.move.From})
	if _, limited := b.move.From.Amount(); errors.Is(err, actuators.ErrRefused) && !limited {
		b.await(b.move.To, "after a refused plan back")
		return
	}
	if err != nil {
		b.t.Fatalf("Plan back: %v", err)
	}
	b.do(b.journalled(plan.Steps)...)
	b.await(b.move.From, "after the plan back")
}

// clearAway finishes the change, so that nothing of it is left for an undo.
func (b *bench) clearAway() {
	b.t.Helper()
	f, ok := b.Driver.(actuators.Finisher)
	if !ok {
		return
	}
	for range 2 {
		if err := f.Finish(b.t.Context(), b.Target, b.plan.Steps); err != nil {
			b.t.Fatalf("Finish: %v", err)
		}
	}
}

func (b *bench) finish() {
	b.do(b.plan.Steps...)
	before := b.await(b.move.To, "after do")
	b.clearAway()
	after := b.await(b.move.To, "after finish")
	if diff := cmp.Diff(actuators.PartIDsOf(before), actuators.PartIDsOf(after)); diff != "" {
		b.t.Errorf("Finish touched the parts (-before +after):\n%s", diff)
	}
}

// context wants every call to end with its context, and to have changed nothing when that was over
// before it began.
func (b *bench) context() {
	ended, cancel := context.WithCancel(b.t.Context())
	cancel()
	step := b.plan.Steps[0]
	calls := map[string]func() error{
		"Observe": func() error { _, err := b.Driver.Observe(ended, b.Target); return err },
		"Do":      func() error { return b.Driver.Do(ended, b.Target, step) },
		"Undo":    func() error { return b.Driver.Undo(ended, b.Target, step) },
	}
	for name, call := range calls {
		began := time.Now()
		if err := call(); err == nil {
			b.t.Errorf("%s with a context that is over: no error", name)
		}
		if took := time.Since(began); took > promptly {
			b.t.Errorf("%s with a context that is over took %s", name, took)
		}
	}
	st := b.await(b.move.From, "after calls with a context that was over")
	b.same(st, "after calls with a context that was over")
	b.untouched(st, "after calls with a context that was over")
}

// away wants ErrTransient from a platform that cannot be reached, and all well once it can.
func (b *bench) away() {
	if b.Away == nil || b.Back == nil {
		b.t.Skip("this harness cannot take the platform away")
	}
	b.Away(b.t)
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*promptly)
	defer cancel()
	_, err := b.Driver.Observe(ctx, b.Target)
	errs := map[string]error{
		"Observe": err,
		"Do":      b.Driver.Do(ctx, b.Target, b.plan.Steps[0]),
		"Undo":    b.Driver.Undo(ctx, b.Target, b.plan.Steps[0]),
	}
	for name, err := range errs {
		if !errors.Is(err, actuators.ErrTransient) {
			b.t.Errorf("%s with the platform away: %v, want ErrTransient", name, err)
		}
	}
	if _, err := b.Driver.Plan(b.Target, b.was, policy.Size{b.move.Resource: b.move.To}); err != nil {
		b.t.Errorf("Plan with the platform away: %v; it must do no I/O", err)
	}
	b.Back(b.t)
	b.same(b.await(b.move.From, "after the platform was away"), "after the platform was away")
	b.do(b.plan.Steps...)
	b.await(b.move.To, "after do, once the platform was back")
}
