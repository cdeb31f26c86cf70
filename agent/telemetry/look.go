package telemetry

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// lookback is how far an instant selector looks back for a sample, as in every Prometheus.
const lookback = 5 * time.Minute

// A look is what an expression reads: its selectors, and how the answer depends on them.
type look struct {
	selectors []selector
	root      *part
	local     bool // some selector names engramd_* metrics
	remote    bool // some selector names others
	choice    bool // there is an `or`
	absent    bool // some selector stands below absent(): that it finds nothing is the answer
}

// A selector is one selector of an expression, without its range and offset: whatever those hide, its
// newest raw sample says whether anybody still measures.
type selector struct {
	text     string
	matchers []*labels.Matcher
	back     time.Duration // how far back the expression reads it
}

// A part is a node of the expression that matters to freshness.
type part struct {
	kind     partKind
	selector int // its index, for reads
	parts    []*part
}

type partKind uint8

const (
	constant  partKind = iota // reads no samples: a number, time(), absent(...)
	reads                     // a selector
	needsAll                  // every part must be fresh
	needsSome                 // `or`: a part without any samples leaves the answer to the others
)

var promqlParser = parser.NewParser(parser.Options{})

// newLook parses expr.
func newLook(expr string) (*look, error) {
	e, err := promqlParser.ParseExpr(expr)
	if err != nil {
		return nil, fmt.Errorf("parse %q: %w", expr, err)
	}
	if t := e.Type(); t != parser.ValueTypeVector && t != parser.ValueTypeScalar {
		return nil, fmt.Errorf("%q is a %s: a signal is one number at a time, such as rate(...) or max_over_time(...) of it", expr, parser.DocumentedType(t))
	}
	l := &look{}
	l.root = l.walk(e, 0)
	return l, nil
}

// walk turns e into parts; back is how far the nodes around e look back.
func (l *look) walk(e parser.Expr, back time.Duration) *part {
	switch n := e.(type) {
	case *parser.VectorSelector:
		return l.read(n, back+lookback)
	case *parser.MatrixSelector:
		return l.read(n.VectorSelector.(*parser.VectorSelector), back+n.Range)
	case *parser.SubqueryExpr:
		return l.walk(n.Expr, back+n.Range+max(0, n.OriginalOffset))
	case *parser.ParenExpr:
		return l.walk(n.Expr, back)
	case *parser.StepInvariantExpr:
		return l.walk(n.Expr, back)
	case *parser.UnaryExpr:
		return l.walk(n.Expr, back)
	case *parser.AggregateExpr:
		if n.Param == nil {
			return l.walk(n.Expr, back)
		}
		return all(l.walk(n.Expr, back), l.walk(n.Param, back))
	case *parser.BinaryExpr:
		lhs, rhs := l.walk(n.LHS, back), l.walk(n.RHS, back)
		if n.Op == parser.LOR {
			l.choice = true
			return &part{kind: needsSome, parts: []*part{lhs, rhs}}
		}
		return all(lhs, rhs)
	case *parser.Call:
		return l.call(n, back)
	}
	return &part{kind: constant}
}

func (l *look) call(c *parser.Call, back time.Duration) *part {
	if strings.HasPrefix(c.Func.Name, "absent") {
		// Whether these selectors find anything is the question, so they cannot be too old. They
		// still say where the expression is evaluated.
		inside := &look{}
		inside.walk(c.Args[0], back)
		l.absent = true
		l.local, l.remote = l.local || inside.local, l.remote || inside.remote
		return &part{kind: constant}
	}
	parts := make([]*part, len(c.Args))
	for i, a := range c.Args {
		parts[i] = l.walk(a, back)
	}
	return all(parts...)
}

func (l *look) read(v *parser.VectorSelector, back time.Duration) *part {
	plain := parser.VectorSelector{Name: v.Name, LabelMatchers: v.LabelMatchers}
	l.selectors = append(l.selectors, selector{text: plain.String(), matchers: v.LabelMatchers, back: back + max(0, v.OriginalOffset)})
	if isLocal(v.LabelMatchers) {
		l.local = true
	} else {
		l.remote = true
	}
	return &part{kind: reads, selector: len(l.selectors) - 1}
}

// all drops the constants: they are always fresh.
func all(parts ...*part) *part {
	var kept []*part
	for _, p := range parts {
		if p.kind != constant {
			kept = append(kept, p)
		}
	}
	switch len(kept) {
	case 0:
		return &part{kind: constant}
	case 1:
		return kept[0]
	}
	return &part{kind: needsAll, parts: kept}
}

// isLocal reports whether a selector names metrics that engramd itself takes.
func isLocal(ms []*labels.Matcher) bool {
	for _, m := range ms {
		if m.Name == model.MetricNameLabel && m.Type != labels.MatchNotEqual && m.Type != labels.MatchNotRegexp {
			return strings.HasPrefix(m.Value, "engramd_") || strings.HasPrefix(m.Value, "engram_host_")
		}
	}
	return false
}

// looks remembers what was parsed. Expressions come from the configuration, so there are few; others
// that come in numbers push all out.
type looks struct {
	mu sync.Mutex
	m  map[string]*look
}

const maxLooks = 10_000

func (c *looks) get(expr string) (*look, error) {
	c.mu.Lock()
	l, ok := c.m[expr]
	c.mu.Unlock()
	if ok {
		return l, nil
	}
	l, err := newLook(expr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= maxLooks {
		c.m = map[string]*look{}
	}
	c.m[expr] = l
	return l, nil
}
