package actuators_test

import (
	"bufio"
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

// A script is a whole action on the fake platform: what there is, what is done, and what happens to
// the world meanwhile. Its language, a line each, "#" comments:
//
//	service NAME RES=SIZE.. [restart=RES] [recreated=unhealthy|crash] [start=DUR]
//	load [at DUR] cores=F threads=F bursty=F burst_cores=F memory=SIZE cache=SIZE errors=F in_flight=F
//	action RES FROM -> TO [row=N] [retry=DUR]
//	validation settle=DUR every=DUR checks=N duration=DUR none=rollback|keep tolerance=F
//	drain DUR | health DUR | smoke PATH | backup DUR EXPR | p99 | errors | require EXPR OP N | trigger EXPR LO HI
//	define EXPR V [at DUR V].. (V may be unknown)
//	fault OP [KIND] [nth=N] [times=N] [err=transient|refused|notfound|broken] [after] [lie] [hang] [late=DUR]
//	at DUR VERB..: set RES SIZE | drift RES SIZE | crash | stop | remove | hold OWNER DUR | rollback WHY | alert WHY | supersede RES FROM -> TO |
//	               undo WHY | restart | close | full | free | heal | disown
//	before VERB..: the same, after the action was planned and before it starts
//	until DUR
type script struct {
	service    string
	given      fake.Service
	loads      []loadFrom
	action     actuators.Action
	procedure  actuators.Procedure
	defines    map[string][]valueFrom
	faults     []fake.Fault
	before     [][]string
	world      []worldEvent
	until      time.Duration
	configured actuators.Config
}

type loadFrom struct {
	since time.Duration
	load  fake.Load
}

type valueFrom struct {
	since time.Duration
	value float64
	known bool
}

type worldEvent struct {
	at    time.Duration
	words []string
}

var errBroken = errors.New("broken")

func parseScript(t *testing.T, text string) *script {
	t.Helper()
	s := &script{defines: map[string][]valueFrom{}, until: 12 * time.Hour}
	s.procedure.RetryAfter = 24 * time.Hour
	s.procedure.Validation.NoEffect = "rollback"
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if err := s.read(words); err != nil {
			t.Fatalf("line %d: %s: %v", n, line, err)
		}
	}
	s.action.Procedure = s.procedure
	return s
}

func (s *script) read(words []string) error {
	switch verb, rest := words[0], words[1:]; verb {
	case "service":
		return s.readService(rest)
	case "load":
		return s.readLoad(rest)
	case "action":
		return s.readAction(rest)
	case "fault":
		return s.readFault(rest)
	case "define":
		return s.readDefine(rest)
	case "at":
		d, err := time.ParseDuration(rest[0])
		s.world = append(s.world, worldEvent{d, rest[1:]})
		return err
	case "before":
		s.before = append(s.before, rest)
		return nil
	case "until":
		d, err := time.ParseDuration(rest[0])
		s.until = d
		return err
	default:
		return s.readProcedure(verb, rest)
	}
}

func (s *script) readService(words []string) error {
	s.service = words[0]
	s.given.Sizes = policy.Size{}
	s.given.Load = s.load
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		var err error
		switch key {
		case "restart":
			s.given.Restart = append(s.given.Restart, policy.Resource(value))
		case "recreated":
			s.given.Recreated = value
		case "start":
			s.given.StartFor, err = time.ParseDuration(value)
		default:
			s.given.Sizes[policy.Resource(key)], err = size(key, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func size(res, text string) (policy.Quantity, error) {
	switch text {
	case "unset":
		return policy.Quantity{}, nil
	case "unlimited":
		return policy.Unlimited(), nil
	}
	return policy.ParseQuantity(policy.Resource(res), text)
}

func (s *script) readLoad(words []string) error {
	var from loadFrom
	if words[0] == "at" {
		var err error
		if from.since, err = time.ParseDuration(words[1]); err != nil {
			return err
		}
		words = words[2:]
	}
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		if key == "memory" || key == "cache" {
			q, err := policy.ParseQuantity(policy.Memory, value)
			if err != nil {
				return err
			}
			n, _ := q.Amount()
			if key == "memory" {
				from.load.Memory = n
			} else {
				from.load.Cache = n
			}
			continue
		}
		f, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return err
		}
		l := &from.load
		fields := map[string]*float64{"cores": &l.Cores, "threads": &l.Threads, "bursty": &l.Bursty, "burst_cores": &l.BurstCores, "errors": &l.Errors, "in_flight": &l.InFlight}
		if fields[key] == nil {
			return fmt.Errorf("no load %q", key)
		}
		*fields[key] = f
	}
	s.loads = append(s.loads, from)
	return nil
}

func (s *script) readAction(words []string) error {
	a, err := s.newAction("a1", words)
	s.action = a
	return err
}

// newAction reads RES FROM -> TO [row=N] [retry=DUR].
func (s *script) newAction(id string, words []string) (actuators.Action, error) {
	if len(words) < 1 {
		return actuators.Action{}, errors.New("want RES FROM -> TO")
	}
	a := actuators.Action{ID: id, TargetName: s.service, Driver: fake.Name, Resource: policy.Resource(words[0]), State: actuators.Waiting, Direction: policy.Operation}
	a.Decision.Row, a.Decision.Policy = 3, "cpu"
	if len(words) >= 4 {
		var err error
		if a.From, err = size(words[0], words[1]); err != nil {
			return a, err
		}
		if a.To, err = size(words[0], words[3]); err != nil {
			return a, err
		}
		a.First = a.From
		from, limited := a.From.Amount()
		to, _ := a.To.Amount()
		a.Direction = policy.Growth
		if !limited || to < from {
			a.Direction = policy.Decrease
		}
	}
	return a, nil
}

func (s *script) readFault(words []string) error {
	f := fake.Fault{Op: words[0]}
	for _, word := range words[1:] {
		key, value, valued := strings.Cut(word, "=")
		var err error
		switch {
		case key == "nth":
			f.Nth, err = strconv.Atoi(value)
		case key == "times":
			f.Times, err = strconv.Atoi(value)
		case key == "err":
			f.Err = map[string]error{"transient": fmt.Errorf("%w: daemon away", actuators.ErrTransient), "refused": fmt.Errorf("%w: not here", actuators.ErrRefused),
				"notfound": actuators.ErrNotFound, "broken": errBroken}[value]
			if f.Err == nil {
				err = fmt.Errorf("no error %q", value)
			}
		case key == "after":
			f.After = true
		case key == "lie":
			f.Lie = true
		case key == "hang":
			f.Hang = true
		case key == "late":
			f.Late, err = time.ParseDuration(value)
		case !valued:
			f.Kind = word
		default:
			err = fmt.Errorf("no fault %q", word)
		}
		if err != nil {
			return err
		}
	}
	s.faults = append(s.faults, f)
	return nil
}

func (s *script) readDefine(words []string) error {
	expr := words[0]
	words = append([]string{"at", "-24h"}, words[1:]...)
	for len(words) >= 3 {
		since, err := time.ParseDuration(words[1])
		if err != nil {
			return err
		}
		v := valueFrom{since: since, known: words[2] != "unknown"}
		if v.known {
			if v.value, err = strconv.ParseFloat(words[2], 64); err != nil {
				return err
			}
		}
		s.defines[expr] = append(s.defines[expr], v)
		words = words[3:]
	}
	return nil
}

func (s *script) readProcedure(verb string, words []string) error {
	p := &s.procedure
	var err error
	switch verb {
	case "drain":
		var settle time.Duration
		settle, err = time.ParseDuration(words[0])
		p.Drain = fake.Drain(s.service, settle)
	case "health":
		var timeout time.Duration
		timeout, err = time.ParseDuration(words[0])
		p.Health = fake.Health(s.service, timeout)
	case "smoke":
		p.Smoke = append(p.Smoke, actuators.Smoke{Request: &actuators.Request{Method: "GET", URL: "http://" + s.service + words[0]}})
	case "backup":
		p.Backup = &actuators.Backup{AgeExpr: words[1]}
		p.Backup.MaxAge, err = time.ParseDuration(words[0])
	case "p99":
		p.P99 = "p99(" + s.service + ")"
	case "errors":
		p.ErrorRate = "errors(" + s.service + ")"
	case "require":
		q := actuators.Require{Expr: words[0], Op: words[1]}
		q.Than, err = strconv.ParseFloat(words[2], 64)
		p.Require = append(p.Require, q)
	case "trigger":
		tr := actuators.Trigger{Expr: words[0]}
		if tr.In.Lo, err = strconv.ParseFloat(words[1], 64); err == nil {
			tr.In.Hi, err = strconv.ParseFloat(words[2], 64)
		}
		p.Trigger = append(p.Trigger, tr)
	case "validation":
		return readValidation(&p.Validation, words)
	default:
		return fmt.Errorf("no verb %q", verb)
	}
	return err
}

func readValidation(v *actuators.Validation, words []string) error {
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		var err error
		switch key {
		case "settle":
			v.Settle, err = time.ParseDuration(value)
		case "every":
			v.Every, err = time.ParseDuration(value)
		case "duration":
			v.Duration, err = time.ParseDuration(value)
		case "checks":
			v.Checks, err = strconv.Atoi(value)
		case "none":
			v.NoEffect = value
		case "tolerance":
			v.Tolerance, err = strconv.ParseFloat(value, 64)
		default:
			err = fmt.Errorf("no validation %q", key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// began is when the script's clock starts; synctest's starts at 2000-01-01, and the world had been
// running for a while before the action.
var began time.Time

func (s *script) load(now time.Time) fake.Load {
	var load fake.Load
	for _, from := range s.loads {
		if now.Sub(began) >= from.since || from.since == 0 {
			load = from.load
		}
	}
	return load
}

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
