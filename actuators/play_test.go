package actuators_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/policy"
)

// offBeat keeps the world's events from the very instants at which the executor looks.
const offBeat = 200 * time.Millisecond

// A play is a script being played: the platform, and whichever executor lives now.
type play struct {
	*script
	t        *testing.T
	platform *fake.Driver
	querier  *fake.Querier
	journal  *fake.Journal
	trace    *fake.Trace
	executor *actuators.Executor
	kill     context.CancelFunc
	next     int
	disowned bool
}

func (s *script) play(t *testing.T) *play {
	p := &play{script: s, t: t, platform: fake.New(), journal: fake.NewJournal(), trace: &fake.Trace{}, next: 1}
	p.querier = p.platform.Querier()
	began = time.Now().Add(time.Hour)
	for expr, values := range s.defines {
		p.querier.Define(expr, func(now time.Time) (float64, bool) {
			var v valueFrom
			for _, from := range values {
				if now.Sub(began) >= from.since {
					v = from
				}
			}
			return v.value, v.known
		})
	}
	p.platform.Add(s.service, s.given)
	time.Sleep(time.Hour) // virtual: a history to compare with
	for _, f := range s.faults {
		p.platform.Fail(f)
	}
	return p
}

func (p *play) boot() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	p.kill = cancel
	cfg := p.configured
	cfg.Drivers = map[string]actuators.Driver{fake.Name: p.platform}
	cfg.Journal, cfg.Querier, cfg.Meter, cfg.Events = p.journal, p.querier, p.platform, p.trace
	cfg.Transport = p.platform.Transport()
	cfg.Diagnose = func(context.Context, actuators.Action) string { return "one thread is busy, 15 wait for a lock" }
	cfg.Owned = func(context.Context, actuators.Action) error {
		if p.disowned {
			return errors.New("lock held by pid 4711")
		}
		return nil
	}
	p.executor = actuators.NewExecutor(cfg)
	return ctx
}

// plan completes an action from what the platform shows.
func (p *play) plan(ctx context.Context, a *actuators.Action) error {
	a.Target = fake.Target(p.service)
	a.Procedure = p.procedure
	st, err := p.platform.Observe(ctx, a.Target)
	if err != nil {
		return err
	}
	a.Parts = actuators.PartIDsOf(st)
	a.Plan, err = p.platform.Plan(a.Target, st, policy.Size{a.Resource: a.To})
	return err
}

// run plays the script to its end and returns the trace.
func (s *script) run(t *testing.T) string {
	p := s.play(t)
	ctx := p.boot()
	if err := p.plan(ctx, &p.action); err != nil {
		t.Fatalf("plan: %v", err)
	}
	if err := p.journal.Put(p.action); err != nil {
		t.Fatal(err)
	}
	for _, words := range p.before {
		p.happen(ctx, words)
	}
	if err := p.executor.Start(ctx, p.action); err != nil {
		t.Fatalf("start: %v", err)
	}
	for _, e := range p.world {
		time.Sleep(e.at + offBeat - time.Since(began))
		synctest.Wait()
		ctx = p.happen(ctx, e.words)
	}
	waiting, done := context.WithDeadline(context.Background(), began.Add(s.until))
	defer done()
	if fake.Wait(waiting, func() bool { return len(p.executor.Active()) == 0 }) != nil {
		for _, a := range p.executor.Active() {
			p.note("still " + string(a.State))
		}
	}
	p.kill()
	p.executor.Close(errors.New("the test is over"))
	p.note(fmt.Sprintf("%s is at %s", p.service, p.sizes()))
	if who := p.platform.Maintenance(p.service); who != "" {
		p.note(who + " has maintenance on")
	}
	return p.trace.String()
}

func (p *play) sizes() string {
	sizes := p.platform.Sizes(p.service)
	var text []string
	for _, res := range policy.Resources() {
		if q, ok := sizes[res]; ok {
			text = append(text, fmt.Sprintf("%s %s", res, res.Format(q)))
		}
	}
	if err := p.platform.Check(p.service, false); err != nil {
		text = append(text, err.Error())
	}
	return strings.Join(text, ", ")
}

func (p *play) note(text string) { p.trace.Note(time.Now().UTC().Format("15:04:05"), text) }

// happen makes one event of the world so.
func (p *play) happen(ctx context.Context, words []string) context.Context {
	p.t.Helper()
	p.note(strings.Join(words, " "))
	fail := func(err error) {
		if err != nil {
			p.note(err.Error())
		}
	}
	switch verb, rest := words[0], words[1:]; verb {
	case "set", "drift":
		q, err := size(rest[0], rest[1])
		if err != nil {
			p.t.Fatal(err)
		}
		change := p.platform.Set
		if verb == "drift" {
			change = p.platform.Drift
		}
		change(p.service, policy.Resource(rest[0]), q)
	case "crash":
		p.platform.Crash(p.service)
	case "stop":
		p.platform.Stop(p.service)
	case "remove":
		p.platform.Remove(p.service)
	case "recreate":
		p.platform.Recreate(p.service)
	case "holder":
		p.note(p.platform.Maintenance(p.service) + " has maintenance on")
	case "hold":
		d, err := time.ParseDuration(rest[1])
		fail(err)
		p.platform.Hold(p.service, rest[0], d)
	case "rollback":
		fail(p.executor.Rollback(ctx, "a"+strconv.Itoa(p.next), strings.Join(rest, " ")))
	case "alert":
		fail(p.executor.RollbackUnneeded(ctx, "a"+strconv.Itoa(p.next), strings.Join(rest, " ")))
	case "supersede":
		p.supersede(ctx, rest)
	case "undo":
		actions, err := p.journal.Actions()
		fail(err)
		fail(p.executor.Undo(ctx, actions[len(actions)-1], strings.Join(rest, " ")))
	case "restart":
		return p.restart()
	case "close":
		p.executor.Close(errors.New("SIGTERM"))
	case "full":
		p.journal.Fill(errors.New("no space left on device"))
	case "free":
		p.journal.Fill(nil)
	case "heal":
		p.platform.Heal()
	case "disown":
		p.disowned = true
	default:
		p.t.Fatalf("no event %q", verb)
	}
	synctest.Wait()
	return ctx
}

// supersede starts a further growth of the same resource.
func (p *play) supersede(ctx context.Context, words []string) {
	old, err := p.executor.Supersede(ctx, "a"+strconv.Itoa(p.next))
	if err != nil {
		p.note(err.Error())
		return
	}
	p.next++
	a, err := p.newAction("a"+strconv.Itoa(p.next), words)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.plan(ctx, &a); err != nil {
		p.t.Fatal(err)
	}
	a.Follows(old)
	if err := p.executor.Start(ctx, a); err != nil {
		p.t.Fatal(err)
	}
}

// restart ends the executor as a stop of the agent does, and lets a new one recover.
func (p *play) restart() context.Context {
	p.kill()
	p.executor.Close(errors.New("restart"))
	ctx := p.boot()
	actions, err := p.journal.Actions()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, a := range actions {
		if actuators.NeedsRecovery(a) {
			if err := p.executor.Recover(ctx, a); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	synctest.Wait()
	return ctx
}
