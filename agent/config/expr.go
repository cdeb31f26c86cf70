package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/engramd/engramd/rules"
)

// variable finds what looks like a variable in an expression. PromQL itself has none.
var variable = regexp.MustCompile(`\$[a-zA-Z_][a-zA-Z0-9_]*`)

// expand puts the target's name and container into an expression.
func expand(expr string, t *Target) string {
	return variable.ReplaceAllStringFunc(expr, func(name string) string {
		switch name {
		case "$target":
			return t.Name
		case "$container":
			return t.Container
		}
		return name
	})
}

// expr checks an expression and expands it for a target; without one (nil) it answers for several and
// names none. It returns "" for an expression that is faulty or absent.
func (r *resolver) expr(text, path string, t *Target) string {
	if text == "" {
		if r.written(path) {
			r.faultAt(path, path+": it is empty", "want PromQL, or leave the key out")
		}
		return ""
	}
	before := len(r.faults)
	for _, at := range variable.FindAllStringIndex(text, -1) {
		name := text[at[0]:at[1]]
		switch {
		case name != "$target" && name != "$container":
			r.faultIn(path, text, at[0], fmt.Sprintf("%s: there is no variable %s", path, name), "there is $target, $container")
		case t == nil:
			r.faultIn(path, text, at[0], fmt.Sprintf("%s: %s stands for one target, and this policy has several", path, name), "aggregate with by (target) instead")
		}
	}
	expanded := text
	if t != nil {
		expanded = expand(text, t)
	}
	if len(r.faults) > before {
		return ""
	}
	if err := rules.CheckExpr(expanded); err != nil {
		bad, _ := errors.AsType[*rules.ExprError](err)
		r.faultIn(path, text, offsetIn(text, expanded, bad.Offset), fmt.Sprintf("%s: %s", path, bad.Text), "")
		return ""
	}
	if _, err := rules.LongestRange(expanded); err != nil {
		bad, _ := errors.AsType[*rules.ExprError](err)
		r.faultIn(path, text, offsetIn(text, expanded, bad.Offset), fmt.Sprintf("%s: %s", path, bad.Text), "")
		return ""
	}
	r.checkSources(expanded, path)
	return strings.TrimSpace(expanded)
}

// offsetIn takes an offset in an expanded expression back to the one that is written, as far as what
// is behind it is the same in both.
func offsetIn(text, expanded string, offset int) int {
	if offset < 0 {
		return -1
	}
	if back := len(text) - (len(expanded) - offset); back >= 0 && text[back:] == expanded[offset:] {
		return back
	}
	return min(offset, len(text))
}

// faultIn notes a fault at an offset in the text of a value.
func (r *resolver) faultIn(path, text string, offset int, what, hint string) {
	at := r.at(path)
	if offset >= 0 && r.written(path) {
		at.Line, at.Column = rules.Locate(r.data, at.Line, at.Column, text, offset)
	}
	r.fault(at, what, hint)
}

// checkSources warns of an expression that reads the agent's own samples together with others that a
// Prometheus server has: engramd_ is answered here, the rest there.
func (r *resolver) checkSources(expr, path string) {
	if r.doc.Metrics.Source.Prometheus == nil {
		return
	}
	metrics, err := rules.Metrics(expr)
	if err != nil {
		return
	}
	own, other := false, false
	for _, name := range metrics {
		if strings.HasPrefix(name, "engramd_") {
			own = true
		} else {
			other = true
		}
	}
	if own && other {
		r.warn(r.at(path), path+": it reads engramd_ and other metrics at once: the whole is answered here, where the others are known only if they are scraped")
	}
}
