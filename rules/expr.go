package rules

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// MaxExpr is the longest expression that is parsed, in bytes: the parser's users walk its tree by
// recursion.
const MaxExpr = 16 << 10

// An ExprError is what is wrong with an expression, and where in it.
type ExprError struct {
	Offset int // in bytes; -1 if not known
	Text   string
}

// Error returns what is wrong.
func (e *ExprError) Error() string { return e.Text }

// CheckExpr parses a PromQL expression. Its error is an [*ExprError].
func CheckExpr(expr string) error {
	_, err := parse(expr)
	return err
}

func parse(expr string) (parser.Expr, error) {
	if len(expr) > MaxExpr {
		return nil, &ExprError{-1, fmt.Sprintf("expression of %d bytes: at most %d are read", len(expr), MaxExpr)}
	}
	tree, err := promQL().ParseExpr(expr)
	if err == nil {
		return tree, nil
	}
	if list, ok := errors.AsType[parser.ParseErrors](err); ok && len(list) > 0 {
		return nil, &ExprError{int(list[0].PositionRange.Start), list[0].Err.Error()}
	}
	return nil, &ExprError{-1, err.Error()}
}

// promQL is the dialect of rule files and signals: what a Prometheus server reads by default.
func promQL() parser.Parser { return parser.NewParser(parser.Options{}) }

// LongestRange returns how far back expr looks: its ranges, subqueries and offsets, nested ones added
// up. An expression without any looks back zero. A fixed time (@ with a timestamp) is an error: what
// it reads never gets fresh.
func LongestRange(expr string) (time.Duration, error) {
	tree, err := parse(expr)
	if err != nil {
		return 0, err
	}
	d, err := lookBack(tree)
	return max(0, d), err
}

func lookBack(node parser.Node) (time.Duration, error) {
	var own time.Duration
	switch n := node.(type) {
	case *parser.VectorSelector:
		if n.Timestamp != nil {
			return 0, fixedTime(n)
		}
		own = n.OriginalOffset
	case *parser.MatrixSelector:
		own = n.Range
	case *parser.SubqueryExpr:
		if n.Timestamp != nil {
			return 0, fixedTime(n)
		}
		own = n.Range + n.OriginalOffset
	}
	var longest time.Duration
	first := true
	for child := range parser.ChildrenIter(node) {
		d, err := lookBack(child)
		if err != nil {
			return 0, err
		}
		if first || d > longest {
			longest, first = d, false
		}
	}
	return own + longest, nil
}

func fixedTime(e parser.Expr) error {
	return &ExprError{
		int(e.PositionRange().Start),
		"@ with a fixed time never gets fresh samples; leave it out, or use offset",
	}
}

// Metrics lists the names of the metrics that expr selects, in order and possibly repeated; a selector
// without a name is "".
func Metrics(expr string) ([]string, error) {
	tree, err := parse(expr)
	if err != nil {
		return nil, err
	}
	var names []string
	parser.Inspect(tree, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			names = append(names, s.Name)
		}
		return nil
	})
	return names, nil
}

// ShortestRange returns the shortest range of a selector in expr, 0 if it has none. Subqueries do not
// count: they make their own samples.
func ShortestRange(expr string) (time.Duration, error) {
	tree, err := parse(expr)
	if err != nil {
		return 0, err
	}
	var shortest time.Duration
	parser.Inspect(tree, func(n parser.Node, _ []parser.Node) error {
		if m, ok := n.(*parser.MatrixSelector); ok && (shortest == 0 || m.Range < shortest) {
			shortest = m.Range
		}
		return nil
	})
	return shortest, nil
}

// LosesLabel reports whether no series that expr yields has the label, whatever it selects.
func LosesLabel(expr, label string) (bool, error) {
	tree, err := parse(expr)
	if err != nil {
		return false, err
	}
	return loses(tree, label), nil
}

func loses(e parser.Expr, label string) bool {
	switch e := e.(type) {
	case *parser.ParenExpr:
		return loses(e.Expr, label)
	case *parser.StepInvariantExpr:
		return loses(e.Expr, label)
	case *parser.UnaryExpr:
		return loses(e.Expr, label)
	case *parser.NumberLiteral:
		return true
	case *parser.AggregateExpr:
		switch e.Op {
		case parser.TOPK, parser.BOTTOMK, parser.LIMITK, parser.LIMIT_RATIO: // they keep whole series
			return loses(e.Expr, label)
		}
		return slices.Contains(e.Grouping, label) == e.Without || loses(e.Expr, label)
	case *parser.BinaryExpr:
		return losesBinary(e, label)
	}
	return false
}

func losesBinary(e *parser.BinaryExpr, label string) bool {
	left, right := loses(e.LHS, label), loses(e.RHS, label)
	switch {
	case e.VectorMatching == nil, e.Op == parser.LOR: // a scalar has no labels to lose
		return left && right
	case e.Op == parser.LAND, e.Op == parser.LUNLESS, e.VectorMatching.Card == parser.CardManyToOne:
		return left
	case e.VectorMatching.Card == parser.CardOneToMany:
		return right
	}
	// One to one keeps the labels that are matched on.
	return left || slices.Contains(e.VectorMatching.MatchingLabels, label) != e.VectorMatching.On
}
