package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Lint reports what is no fault and yet probably wrong, in the order of the file.
func Lint(f *File) []Fault {
	var found []Fault
	seen := map[string]int{}
	for g, group := range f.Groups {
		if len(group.Rules) == 0 {
			n := f.outline.group(g)
			found = append(found, Fault{File: f.Name, Line: n.Line, Column: n.Column, Group: group.Name, Text: "has no rules"})
		}
		for r, rule := range group.Rules {
			if rule.Alert != "" {
				if first, ok := seen[rule.Alert]; ok {
					found = append(found, f.at(g, r, fmt.Sprintf("the alert on line %d has the same name: what is bound to it follows from both", first)))
				}
				seen[rule.Alert] = f.outline.rule(g, r).Line
				if rule.For == 0 {
					found = append(found, f.at(g, r, "has no `for`: one evaluation is enough to fire"))
				}
			}
			for _, text := range lintExpr(rule.Expr) {
				found = append(found, f.at(g, r, text))
			}
		}
	}
	return found
}

// lintExpr finds what makes an expression stay silent or lie.
func lintExpr(expr string) []string {
	tree, err := parse(expr)
	if err != nil {
		return nil // Load has reported it
	}
	var found []string
	parser.Inspect(tree, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.BinaryExpr:
			found = append(found, lintMatching(n)...)
		case *parser.Call:
			found = append(found, lintCounter(n)...)
		}
		return nil
	})
	return found
}

// lintMatching finds an operation whose sides can never have the same labels: one selects a value of a
// label, and nothing says that the label does not count.
func lintMatching(b *parser.BinaryExpr) []string {
	if b.VectorMatching == nil || b.VectorMatching.On || len(b.VectorMatching.MatchingLabels) > 0 || b.Op == parser.LOR {
		return nil
	}
	left, right := fixedLabels(b.LHS), fixedLabels(b.RHS)
	if left == nil || right == nil {
		return nil
	}
	for _, side := range []struct {
		of, other map[string]string
		name      string
	}{{left, right, "left"}, {right, left, "right"}} {
		for _, label := range slices.Sorted(maps.Keys(side.of)) {
			if _, ok := side.other[label]; !ok {
				return []string{fmt.Sprintf("only the %s side of %q selects %s=%q, so that it may match nothing: add ignoring(%s) or on(...), or sum the label away",
					side.name, b.Op, label, side.of[label], label)}
			}
		}
	}
	return nil
}

// fixedLabels returns the labels whose value an expression is sure to have, nil if that is not known
// because an aggregation or a function may have changed them.
func fixedLabels(e parser.Expr) map[string]string {
	switch e := e.(type) {
	case *parser.ParenExpr:
		return fixedLabels(e.Expr)
	case *parser.StepInvariantExpr:
		return fixedLabels(e.Expr)
	case *parser.VectorSelector:
		return equalities(e)
	case *parser.Call:
		if len(e.Args) > 0 && strings.HasSuffix(e.Func.Name, "rate") {
			if m, ok := e.Args[0].(*parser.MatrixSelector); ok {
				return fixedLabels(m.VectorSelector)
			}
		}
	}
	return nil
}

func equalities(s *parser.VectorSelector) map[string]string {
	fixed := map[string]string{}
	for _, m := range s.LabelMatchers {
		if m.Name != model.MetricNameLabel && m.Type == labels.MatchEqual && m.Value != "" {
			fixed[m.Name] = m.Value
		}
	}
	return fixed
}

// lintCounter finds rate and its kin on what is no counter by its name.
func lintCounter(c *parser.Call) []string {
	switch c.Func.Name {
	case "rate", "irate", "increase":
	default:
		return nil
	}
	m, ok := c.Args[0].(*parser.MatrixSelector)
	if !ok {
		return nil
	}
	s, ok := m.VectorSelector.(*parser.VectorSelector)
	if !ok || s.Name == "" || isCounter(s.Name) {
		return nil
	}
	return []string{fmt.Sprintf("%s() is for counters, and %s looks like a gauge: use deriv() or delta()", c.Func.Name, s.Name)}
}

// isCounter judges by the suffixes that counters have, and those of recorded series.
func isCounter(name string) bool {
	for _, suffix := range []string{"_total", "_count", "_sum", "_bucket"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return strings.Contains(name, ":") || strings.HasSuffix(name, "_seconds") // histograms without suffix
}
