package actuators_test

import (
	"bufio"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
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
//	at DUR VERB..: set RES SIZE | drift RES SIZE | crash | stop | remove | recreate | holder | hold OWNER DUR | rollback WHY | alert WHY | supersede RES FROM -> TO |
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
