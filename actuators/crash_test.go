package actuators_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/policy"
)

var errDead = errors.New("the process is dead")

// A mains is what the executor's process hangs on: at its nth operation (journal write, call of the
// driver, HTTP request) the power goes, before or after the operation's effect, and nothing that the
// process does from then on reaches the world.
type mains struct {
	mu       sync.Mutex
	ops      int
	cut      int // 0: never
	after    bool
	dead     bool
	at       string // what was under way
	silence  context.CancelFunc
	platform *fake.Driver
	journal  *fake.Journal
	fired    func(e policy.Event)
}

// op runs effect as one operation.
func (m *mains) op(what string, effect func() error) error {
	m.mu.Lock()
	if m.dead {
		m.mu.Unlock()
		return errDead
	}
	m.ops++
	cut := m.ops == m.cut
	if cut {
		m.at = what
	}
	if cut && !m.after {
		m.die()
		m.mu.Unlock()
		return errDead
	}
	m.mu.Unlock()
	err := effect()
	if cut {
		m.mu.Lock()
		m.die()
		m.mu.Unlock()
		return errDead
	}
	return err
}

func (m *mains) die() {
	m.dead = true
	m.silence()
}

func (m *mains) Put(a actuators.Action) error {
	return m.op("put "+string(a.State), func() error { return m.journal.Put(a) })
}

func (m *mains) Resources() []policy.Resource { return m.platform.Resources() }

func (m *mains) Observe(ctx context.Context, t policy.Target) (st actuators.State, err error) {
	err = m.op("observe", func() error { st, err = m.platform.Observe(ctx, t); return err })
	return st, err
}

func (m *mains) Plan(t policy.Target, from actuators.State, to policy.Size) (actuators.Plan, error) {
	return m.platform.Plan(t, from, to)
}

func (m *mains) Do(ctx context.Context, t policy.Target, s actuators.Step) error {
	return m.op("do "+s.Text, func() error { return m.platform.Do(ctx, t, s) })
}

func (m *mains) Undo(ctx context.Context, t policy.Target, s actuators.Step) error {
	return m.op("undo "+s.Text, func() error { return m.platform.Undo(ctx, t, s) })
}

func (m *mains) Finish(ctx context.Context, t policy.Target, steps []actuators.Step) error {
	return m.op("finish", func() error { return m.platform.Finish(ctx, t, steps) })
}

func (m *mains) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	err = m.op(req.Method+" "+req.URL.Path, func() error { resp, err = m.platform.Transport().RoundTrip(req); return err })
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// Emit gives an alert its chance to fire.
func (m *mains) Emit(e policy.Event) {
	if m.fired != nil {
		m.fired(e)
	}
}

// A crash is one way to die.
type crash struct {
	first, second int  // at which operation of the first and of the second process; 0: not
	after         bool // after the operation's effect
}

// story is one action whose end is known if nobody dies.
type story struct {
	name, given string
	rollback    bool // an alert takes it back while it is watched
	end         actuators.ActionState
}

var stories = []story{
	{name: "live growth", end: actuators.Committed, given: `
service web memory=512Mi
load memory=400Mi cache=400Mi
validation settle=10s every=5s duration=30s
action memory 512Mi -> 1Gi`},
	{name: "live growth without effect", end: actuators.RolledBack, given: `
service web cpu=1
load cores=1
validation settle=10s every=5s duration=30s
action cpu 1 -> 2`},
	{name: "restart", end: actuators.Committed, given: `
service web memory=1Gi restart=memory start=2s
load memory=512Mi cache=1Gi in_flight=2
validation settle=10s every=5s duration=30s
drain 10s
health 60s
smoke /health
action memory 1Gi -> 2Gi`},
	{name: "restart taken back", end: actuators.RolledBack, rollback: true, given: `
service web memory=1Gi restart=memory start=2s
load memory=512Mi cache=1Gi in_flight=2
validation settle=10s every=5s duration=30s
drain 10s
health 60s
action memory 1Gi -> 2Gi`},
	{name: "restart that never gets healthy", end: actuators.RolledBack, given: `
service web memory=1Gi restart=memory recreated=unhealthy
load in_flight=2
drain 10s
health 10s
action memory 1Gi -> 2Gi`},
}

// TestCrash kills the process at every journal write, driver call and request of whole actions,
// before and after its effect, and looks at what a successor makes of it. Then it kills the successor
// at every operation, too.
func TestCrash(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			whole := s.dies(t, crash{})
			for n := 1; n <= whole; n++ {
				for _, after := range []bool{false, true} {
					s.dies(t, crash{first: n, after: after})
				}
			}
			if testing.Short() {
				return
			}
			for n := 1; n <= whole; n += 3 {
				for m := 1; m <= 15; m += 2 {
					s.dies(t, crash{first: n, second: m, after: n%4 == 1})
				}
			}
		})
	}
}

// dies plays the story with a crash and returns how many operations the first process came to.
func (s story) dies(t *testing.T, c crash) (ops int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := parseScript(t, s.given).play(t)
		if err := p.plan(t.Context(), &p.action); err != nil {
			t.Fatal(err)
		}
		if err := p.journal.Put(p.action); err != nil {
			t.Fatal(err)
		}
		first := s.live(p, c.first, c.after, func(x *actuators.Executor, ctx context.Context) error { return x.Start(ctx, p.action) })
		ops = first.ops
		what := fmt.Sprintf("killed at %q (operation %d, after its effect: %t)", first.at, c.first, c.after)
		left, there := onlyAction(t, p), p.arrived()
		if c.second > 0 {
			second := s.live(p, c.second, c.after, recoverAll(t, p))
			what += fmt.Sprintf(", and the successor at %q (operation %d)", second.at, c.second)
		}
		s.live(p, 0, false, recoverAll(t, p))
		s.check(t, p, left, there, c, what)
	})
	return ops
}

// live runs one process until its actions are over or it dies.
func (s story) live(p *play, cut int, after bool, begin func(*actuators.Executor, context.Context) error) *mains {
	ctx, silence := context.WithCancel(context.Background())
	defer silence()
	m := &mains{cut: cut, after: after, silence: silence, platform: p.platform, journal: p.journal}
	x := actuators.NewExecutor(actuators.Config{
		Drivers: map[string]actuators.Driver{fake.Name: m}, Journal: m, Querier: p.querier, Meter: p.platform, Events: m, Transport: m,
	})
	if err := begin(x, ctx); err != nil {
		p.t.Fatal(err)
	}
	for len(x.Active()) > 0 && ctx.Err() == nil {
		time.Sleep(time.Second)
		if a := x.Active(); s.rollback && len(a) > 0 && a[0].State == actuators.Validating && time.Since(a[0].Since()) > 20*time.Second {
			if err := x.Rollback(ctx, a[0].ID, "an alert fires"); err != nil && !errors.Is(err, actuators.ErrNotRunning) && ctx.Err() == nil {
				p.t.Errorf("rollback: %v", err)
			}
		}
		if n := p.platform.Running(p.service); n > 1 {
			p.t.Errorf("%d containers run at once", n)
		}
	}
	x.Close(errDead)
	return m
}

func recoverAll(t *testing.T, p *play) func(*actuators.Executor, context.Context) error {
	return func(x *actuators.Executor, ctx context.Context) error {
		if a := onlyAction(t, p); actuators.NeedsRecovery(a) {
			return x.Recover(ctx, a)
		}
		return nil
	}
}

// arrived reports whether every part runs at the new size.
func (p *play) arrived() bool {
	return p.platform.Sizes(p.service)[p.action.Resource] == p.action.To && p.platform.Running(p.service) == 1
}

func onlyAction(t *testing.T, p *play) actuators.Action {
	t.Helper()
	actions, err := p.journal.Actions()
	if err != nil || len(actions) != 1 {
		t.Fatalf("%d actions in the journal: %v", len(actions), err)
	}
	return actions[0]
}

// check holds what the successors left against the recovery table: left is the record that the first
// process left behind, and there whether the target had arrived at its new size by then.
func (s story) check(t *testing.T, p *play, left actuators.Action, there bool, c crash, what string) {
	t.Helper()
	end := onlyAction(t, p)
	applied := actuators.RolledBack
	if there {
		applied = s.end
	}
	allowed := map[actuators.ActionState][]actuators.ActionState{
		actuators.Waiting:     {actuators.Waiting}, // decided again
		actuators.Draining:    {actuators.Cancelled},
		actuators.Applying:    {applied},
		actuators.Verifying:   {s.end},
		actuators.Validating:  {s.end},
		actuators.RollingBack: {actuators.RolledBack},
	}[left.State]
	if allowed == nil {
		allowed = []actuators.ActionState{left.State}
	}
	if c.second > 0 { // a second crash may end what the first left in a later state
		allowed = append(allowed, actuators.RolledBack, actuators.Inconclusive, actuators.Superseded)
	}
	ok := false
	for _, state := range allowed {
		ok = ok || end.State == state
	}
	if !ok {
		t.Errorf("%s in %s: ended %s (%s), want one of %v", what, left.State, end.State, end.Reason, allowed)
	}
	want := end.From
	switch end.State {
	case actuators.Committed, actuators.Inconclusive:
		want = end.To
	case actuators.Superseded:
		want = p.platform.Sizes(p.service)[end.Resource]
	}
	if got := p.platform.Sizes(p.service)[end.Resource]; got != want {
		t.Errorf("%s in %s: ended %s at %s, want %s", what, left.State, end.State, end.Resource.Format(got), end.Resource.Format(want))
	}
	if err := p.platform.Check(p.service, end.State != actuators.Superseded); err != nil {
		t.Errorf("%s in %s: ended %s: %v", what, left.State, end.State, err)
	}
	if who := p.platform.Maintenance(p.service); who != "" {
		t.Errorf("%s in %s: ended %s with maintenance on (%s)", what, left.State, end.State, who)
	}
}
