package config

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/engramd/engramd/actuators"
)

// A requestSection is one HTTP request: "POST http://...", a URL alone (GET), or a mapping.
type requestSection struct {
	// Method is GET if it is not said.
	Method string `yaml:"method,omitempty"`
	// URL is the full URL.
	URL string `yaml:"url"`
	// HeadersFile holds headers to send, one "Name: value" a line.
	HeadersFile string `yaml:"headers_file,omitempty"`
	// Timeout bounds the request; of health, all of them together.
	Timeout time.Duration `yaml:"timeout,omitempty"`
}

var requestLine = regexp.MustCompile(`^([A-Z]+) +(\S+)$`)

func (q *requestSection) fromYAML(d *decoder, n ast.Node, path string) {
	if _, isMap := n.(*ast.MappingNode); isMap {
		d.structure(n, reflect.ValueOf(q).Elem(), path)
		return
	}
	text, ok := d.text(n, path)
	if !ok {
		return
	}
	if m := requestLine.FindStringSubmatch(strings.TrimSpace(text)); m != nil {
		q.Method, q.URL = m[1], m[2]
		return
	}
	q.URL = strings.TrimSpace(text)
}

// A drainSection stops new writes before a restart and lets them in again after it.
type drainSection struct {
	// Enable refuses new writes.
	Enable *requestSection `yaml:"enable"`
	// Disable lets them in again.
	Disable *requestSection `yaml:"disable"`
	// Status tells whether somebody else has switched it on: then the agent waits and never switches it
	// off.
	Status *requestSection `yaml:"status,omitempty"`
	// InFlight is the PromQL of the writes in flight. The restart goes on when it is zero.
	InFlight string `yaml:"in_flight,omitempty"`
	// Settle is how long writes in flight are waited for at most.
	Settle time.Duration `yaml:"settle"`
}

func (s *drainSection) setDefaults() { s.Settle = 30 * time.Second }

// A backupSection is the evidence that a backup exists. Exactly one of age, file and command is set.
type backupSection struct {
	// MaxAge is how old the newest backup may be.
	MaxAge time.Duration `yaml:"max_age"`
	// Age is the PromQL of the newest backup's age in seconds.
	Age string `yaml:"age,omitempty"`
	// File is a file whose modification time is the backup's.
	File string `yaml:"file,omitempty"`
	// Command exits with 0 if there is a backup.
	Command []string `yaml:"command,omitempty"`
}

func (s *backupSection) setDefaults() { s.MaxAge = 24 * time.Hour }

// A smokeSection is a test after a restart: a request, or {command: [program, argument]}.
type smokeSection struct {
	// Request must answer with 2xx.
	Request *requestSection
	// Command must exit with 0.
	Command []string
}

func (s *smokeSection) fromYAML(d *decoder, n ast.Node, path string) {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && keyText(m.Values[0]) == "command" {
		var only struct {
			Command []string `yaml:"command"`
		}
		d.structure(n, reflect.ValueOf(&only).Elem(), path)
		if s.Command = only.Command; len(s.Command) == 0 {
			d.faultAt(path+".command", path+".command: it is empty", "")
		}
		return
	}
	s.Request = &requestSection{}
	s.Request.fromYAML(d, n, path)
}

func (s smokeSection) toYAML() any {
	if s.Request != nil {
		return encode(reflect.ValueOf(s.Request))
	}
	return yaml.MapSlice{{Key: "command", Value: s.Command}}
}

// serviceSignals say how well a target serves.
type serviceSignals struct {
	// P99 is the PromQL of the 99th percentile of latency, in any unit.
	P99 string `yaml:"p99,omitempty"`
	// ErrorRate is the PromQL of the errors, as a rate or a ratio.
	ErrorRate string `yaml:"error_rate,omitempty"`
}

// A requireSection must hold through the whole validation.
type requireSection struct {
	// Expr is the PromQL of a number.
	Expr string `yaml:"expr"`
	// Must is what the number must be: "< 70", ">= 0.99".
	Must string `yaml:"must"`
}

// procedureOf resolves how a target is drained, proven and watched.
func (r *resolver) procedureOf(t *Target, s *targetSection, path string) {
	p := &t.Procedure
	p.StopTimeout, p.RetryAfter = s.StopTimeout, t.Safety.RetryAfter
	p.Validation = overlay(r.doc.Validation, s.Validation).validation()
	if s.Validation != nil {
		r.checkValidation(path+".validation", p.Validation)
	}
	if s.Health != nil {
		p.Health = r.request(s.Health, "GET", 2*time.Minute, path+".health") // the guide's two minutes
	}
	if s.Drain != nil {
		p.Drain = r.drain(t, s.Drain, path+".drain")
	}
	if s.Backup != nil {
		p.Backup = r.backup(t, s.Backup, path+".backup")
	}
	for i := range s.Smoke {
		one := actuators.Smoke{Command: s.Smoke[i].Command}
		if q := s.Smoke[i].Request; q != nil {
			one.Request = r.request(q, "GET", 30*time.Second, fmt.Sprintf("%s.smoke[%d]", path, i))
		}
		p.Smoke = append(p.Smoke, one)
	}
	for i, q := range s.Require {
		p.Require = append(p.Require, r.require(t, q, fmt.Sprintf("%s.require[%d]", path, i)))
	}
	p.P99 = r.expr(s.Signals.P99, path+".signals.p99", t)
	p.ErrorRate = r.expr(s.Signals.ErrorRate, path+".signals.error_rate", t)
}

// methods are the ones that a request may have.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}

// request completes and checks a request, also in the document.
func (r *resolver) request(q *requestSection, method string, timeout time.Duration, path string) *actuators.Request {
	if q.Method == "" {
		q.Method = method
	}
	q.Method = strings.ToUpper(q.Method)
	if q.Timeout == 0 {
		q.Timeout = timeout
	}
	if near := oneOf(q.Method, methods); !contains(methods, q.Method) {
		r.faultAt(path, fmt.Sprintf("%s: %.20q is no method", path, q.Method), near)
	}
	at := path
	if r.written(path + ".url") {
		at = path + ".url"
	}
	r.checkURL(at, q.URL)
	return &actuators.Request{Method: q.Method, URL: q.URL, HeadersFile: r.file(q.HeadersFile), Timeout: q.Timeout}
}

func (r *resolver) drain(t *Target, s *drainSection, path string) *actuators.Drain {
	const timeout = 10 * time.Second
	d := &actuators.Drain{InFlight: r.expr(s.InFlight, path+".in_flight", t), Settle: s.Settle}
	if s.Enable == nil || s.Disable == nil {
		r.faultAt(path, path+": enable and disable are both needed", "what is switched on must be switched off again")
		return d
	}
	d.Enable = *r.request(s.Enable, "POST", timeout, path+".enable")
	d.Disable = *r.request(s.Disable, "POST", timeout, path+".disable")
	if s.Status != nil {
		d.Status = r.request(s.Status, "GET", timeout, path+".status")
	}
	return d
}

func (r *resolver) backup(t *Target, s *backupSection, path string) *actuators.Backup {
	sources := 0
	for _, is := range []bool{s.Age != "", s.File != "", len(s.Command) > 0} {
		if is {
			sources++
		}
	}
	if sources != 1 {
		r.faultAt(path, path+": want exactly one of age, file and command", "")
	}
	if s.MaxAge <= 0 {
		r.faultAt(path+".max_age", path+".max_age: want more than 0s", "")
	}
	return &actuators.Backup{MaxAge: s.MaxAge, AgeExpr: r.expr(s.Age, path+".age", t), File: r.file(s.File), Command: s.Command}
}

var must = regexp.MustCompile(`^(<=|>=|==|<|>)\s*(\S+)$`)

func (r *resolver) require(t *Target, s requireSection, path string) actuators.Require {
	q := actuators.Require{Expr: r.expr(s.Expr, path+".expr", t)}
	if s.Expr == "" {
		r.faultAt(path, path+": expr is missing", "")
	}
	m := must.FindStringSubmatch(strings.TrimSpace(s.Must))
	if m == nil {
		r.faultAt(path+".must", fmt.Sprintf("%s.must: %.40q is no comparison", path, s.Must), `want one such as "< 70", ">= 0.99" or "== 0"`)
		return q
	}
	than, err := strconv.ParseFloat(m[2], 64)
	if err != nil || math.IsNaN(than) || math.IsInf(than, 0) {
		r.faultAt(path+".must", fmt.Sprintf("%s.must: %.40q is no number", path, m[2]), "")
	}
	q.Op, q.Than = m[1], than
	return q
}
