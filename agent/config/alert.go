package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/rules"
)

// A rulesSection says which rules are evaluated, and what follows from their alerts.
type rulesSection struct {
	// Files are Prometheus rule files, relative to this file; patterns such as rules/*.yaml; and
	// preset:engram-scaling, the guide's four alerts, and preset:engram-volume, those on the volumes of
	// targets.
	Files []string `yaml:"files,omitempty"`
	// Interval is how often a group without its own is evaluated.
	Interval time.Duration `yaml:"interval"`
	// OnAlert binds alerts to changes.
	OnAlert []bindingSection `yaml:"on_alert,omitempty"`
}

// A bindingSection says what one alert does: a change, or a rollback.
type bindingSection struct {
	// Alert is the name of the alert.
	Alert string `yaml:"alert"`
	// Target is the target to change. Only the alert's series with this label target count, and those
	// without one.
	Target string `yaml:"target"`
	// Do is scale, emergency or plan, and diagnose beside it.
	Do oneOrMore `yaml:"do,omitempty"`
	// Change says what changes of which resources.
	Change changesSection `yaml:"change,omitempty"`
	// Rollback undoes what is being validated, or was committed less than 30 minutes ago.
	Rollback bool `yaml:"rollback,omitempty"`
	// Mode is the target's if it is not said.
	Mode policy.Mode `yaml:"mode,omitempty" oneof:"dry-run approve auto"`
	// Within is the deadline of a change that has to wait.
	Within time.Duration `yaml:"within,omitempty"`
	// AtDeadline says what becomes of a restart for which no maintenance window came in time.
	AtDeadline policy.AtDeadline `yaml:"at_deadline,omitempty" oneof:"ask run"`
	// Why is shown to people; the alert's summary if it is not said.
	Why string `yaml:"why,omitempty"`
}

// rules resolves the rule files and what is bound to their alerts.
func (r *resolver) rules() {
	r.cfg.Rules.Interval = r.doc.Rules.Interval
	if r.doc.Rules.Interval < time.Second {
		r.faultAt("rules.interval", "rules.interval: want 1s or more", "")
	}
	complete := true
	for i, name := range r.doc.Rules.Files {
		path := fmt.Sprintf("rules.files[%d]", i)
		for _, one := range r.expandPattern(name, path) {
			complete = r.ruleFile(one, path) && complete
		}
	}
	for i := range r.doc.Rules.OnAlert {
		r.binding(&r.doc.Rules.OnAlert[i], fmt.Sprintf("rules.on_alert[%d]", i), complete)
	}
}

const presetPrefix = "preset:"

// expandPattern returns the files that a name stands for.
func (r *resolver) expandPattern(name, path string) []string {
	if strings.HasPrefix(name, presetPrefix) || !strings.ContainsAny(name, "*?[") {
		return []string{name}
	}
	found, err := filepath.Glob(r.file(name))
	if err != nil || len(found) == 0 {
		r.faultAt(path, fmt.Sprintf("no rule file is named %q", name), "")
	}
	return found
}

// ruleFile loads one rule file and reports whether it is free of faults.
func (r *resolver) ruleFile(name, path string) bool {
	preset, isPreset := strings.CutPrefix(name, presetPrefix)
	if isPreset && !slices.Contains(rules.Presets(), preset) {
		r.faultAt(path, fmt.Sprintf("there is no rule preset %q", preset), oneOf(preset, rules.Presets()))
		return false
	}
	var data []byte
	var err error
	if isPreset {
		data, err = rules.PresetSource(preset)
	} else {
		name = r.file(name)
		data, err = readRegular(name, rules.MaxBytes)
	}
	if err != nil {
		r.faultAt(path, fmt.Sprintf("rule file %s: %v", name, err), "")
		return false
	}
	if slices.ContainsFunc(r.cfg.Rules.Files, func(f *rules.File) bool { return f.Name == name }) {
		r.faultAt(path, fmt.Sprintf("rule file %s is there twice", name), "")
		return false
	}
	r.hash.Write(data)
	file, err := rules.Load(name, data)
	if err != nil {
		r.ruleFaults(err, newSource(name, data))
		return false
	}
	if where, ok := file.Recording(); ok && r.doc.Metrics.Source.Prometheus != nil {
		r.faultAt(path, where.Error()+": recording rules are not evaluated while a Prometheus server is the source", "record them there")
	}
	if !isPreset {
		for _, w := range rules.Lint(file) {
			r.warn(Position{w.File, w.Line, w.Column}, w.Message())
		}
	}
	r.cfg.Rules.Files = append(r.cfg.Rules.Files, file)
	return true
}

// ruleFaults takes over the faults of a rule file.
func (r *resolver) ruleFaults(err error, file *source) {
	faults, ok := errors.AsType[rules.Faults](err)
	if !ok {
		faults = rules.Faults{{File: file.name, Text: err.Error()}}
	}
	for _, f := range faults {
		hint := f.Hint
		f.Hint = ""
		r.faults = append(r.faults, Fault{Position{f.File, f.Line, f.Column}, f.Message(), file.line(f.Line), hint})
	}
}

// binding resolves what one alert does. The names of alerts are only known if every file is complete.
func (r *resolver) binding(s *bindingSection, path string, complete bool) {
	if len(s.Do) == 0 && !s.Rollback {
		s.Do = oneOrMore{string(policy.Scale)}
	}
	b := Binding{
		Alert: s.Alert, Target: s.Target, Do: r.verdicts(s.Do, path+".do"), Changes: r.changes(s.Change),
		Rollback: s.Rollback, Mode: s.Mode, Within: s.Within, AtDeadline: s.AtDeadline, Why: s.Why,
	}
	t := r.targetNamed(s.Target)
	switch {
	case s.Target == "":
		r.faultAt(path, fmt.Sprintf("alert %s has no target", s.Alert), "add `target:`")
	case t == nil:
		r.faultAt(path+".target", fmt.Sprintf("alert %s: there is no target %q", s.Alert, s.Target), oneOf(s.Target, r.targetNames()))
	}
	if complete {
		r.alertNamed(&b, path)
	}
	r.checkBinding(s, b, t, path)
	r.cfg.Rules.OnAlert = append(r.cfg.Rules.OnAlert, b)
}

// alertNamed finds the rule of a bound alert.
func (r *resolver) alertNamed(b *Binding, path string) {
	var known []string
	for _, file := range r.cfg.Rules.Files {
		for _, a := range file.Alerts() {
			known = append(known, a.Name)
			if a.Name != b.Alert {
				continue
			}
			if look, err := rules.LongestRange(a.Expr); err == nil {
				b.LongestRange = max(b.LongestRange, look)
			}
			if lost, err := rules.LosesLabel(a.Expr, "target"); err == nil && lost && len(r.cfg.Targets) > 1 {
				r.warn(r.at(path+".alert"), fmt.Sprintf("alert %s has no label target: whichever target made it fire, %s is changed", b.Alert, b.Target))
			}
		}
	}
	switch {
	case b.Alert == "":
		r.faultAt(path, "a binding has no alert", "add `alert:`")
	case len(known) == 0:
		r.faultAt(path+".alert", fmt.Sprintf("there is no alert %q: rules.files has none at all", b.Alert), "add the file that defines it, or preset:engram-scaling")
	case !contains(known, b.Alert):
		r.faultAt(path+".alert", fmt.Sprintf("there is no alert %q in the rule files", b.Alert), oneOf(b.Alert, known))
	}
}

// checkBinding checks that an alert is bound to something that can be done.
func (r *resolver) checkBinding(s *bindingSection, b Binding, t *Target, path string) {
	switch {
	case s.Rollback && len(s.Change) > 0:
		r.faultAt(path+".rollback", fmt.Sprintf("alert %s: change and rollback exclude each other", s.Alert), "make two bindings of it")
	case s.Rollback && len(s.Do) > 0:
		r.faultAt(path+".do", fmt.Sprintf("alert %s: a rollback has no `do`", s.Alert), "leave it out")
	case !s.Rollback && len(s.Change) == 0 && !slices.Equal(b.Do, []policy.Verdict{policy.Diagnose}):
		r.faultAt(path, fmt.Sprintf("alert %s does nothing", s.Alert), "add `change:` or `rollback: true`")
	case contains(s.Do, string(policy.None)) || contains(s.Do, string(policy.HoldSize)):
		r.faultAt(path+".do", fmt.Sprintf("alert %s: an alert cannot %s", s.Alert, strings.Join(s.Do, " and ")), "there is scale, emergency, plan, diagnose")
	}
	if t == nil {
		return
	}
	for _, c := range b.Changes {
		if r.owns(t, c.Resource) {
			continue
		}
		text := fmt.Sprintf("alert %s: nothing of target %s can change %s", s.Alert, t.Name, c.Resource)
		at := r.atKey(path + ".change." + string(c.Resource))
		if acts(b.Do) {
			r.fault(at, text, r.ownable(t)+"; `do: plan` makes it advice")
		} else {
			r.warn(at, text+": what it plans is advice")
		}
	}
}
