package config

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/engramd/engramd/policy"
)

// Bytes is an amount of memory or storage, written as 512Mi, 1.5Gi or 16GB.
type Bytes int64

func (b *Bytes) fromYAML(d *decoder, n ast.Node, path string) {
	text, ok := d.text(n, path)
	if !ok {
		return
	}
	q, err := policy.ParseQuantity(policy.Memory, text)
	bytes, limited := q.Amount()
	switch {
	case err != nil:
		d.faultAt(path, lead(path, strings.TrimPrefix(err.Error(), "memory: ")), "")
	case !limited:
		d.faultAt(path, lead(path, "it cannot be unlimited"), "")
	default:
		*b = Bytes(bytes)
	}
}

// A percent is a fraction, written as 50%.
type percent float64

func (p *percent) fromYAML(d *decoder, n ast.Node, path string) {
	text, ok := d.text(n, path)
	if !ok {
		return
	}
	number, found := strings.CutSuffix(strings.TrimSpace(text), "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !found || err != nil || math.IsNaN(f) || f < 0 || f > 1e6 {
		d.faultAt(path, lead(path, fmt.Sprintf("%.40q: want per cent such as 50%%", text)), "")
		return
	}
	*p = percent(f / 100)
}

// oneOrMore is a text or a list of texts.
type oneOrMore []string

func (l *oneOrMore) fromYAML(d *decoder, n ast.Node, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		if text, ok := d.text(n, path); ok {
			*l = oneOrMore{text}
		}
		return
	}
	*l = oneOrMore{}
	for i, item := range seq.Values {
		if text, ok := d.text(item, fmt.Sprintf("%s[%d]", path, i)); ok {
			*l = append(*l, text)
		}
	}
}

// text returns a scalar as it is written. Numbers and booleans are texts, too: 2 and true need no
// quotes.
func (d *decoder) text(n ast.Node, path string) (string, bool) {
	n, ok := d.enter(n, path)
	if !ok {
		return "", false
	}
	d.depth--
	switch s := n.(type) {
	case *ast.LiteralNode:
		return s.Value.Value, true
	case *ast.StringNode:
		return s.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	d.fault(d.place(n), lead(path, "want a single value, not "+kindOf(n)), "")
	return "", false
}

// scalar fills a number, a boolean, a text or a duration.
func (d *decoder) scalar(n ast.Node, v reflect.Value, path string) {
	text, ok := d.text(n, path)
	if !ok {
		return
	}
	wrong := func(want string) { d.faultAt(path, lead(path, fmt.Sprintf("%.40q: want %s", text, want)), "") }
	if v.Type() == durationType {
		duration, err := policy.ParseDuration(text)
		switch {
		case err != nil:
			d.faultAt(path, lead(path, err.Error()), "")
		case duration < 0:
			wrong("a duration of zero or more")
		default:
			v.SetInt(int64(duration))
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if _, isBool := n.(*ast.BoolNode); !isBool {
			wrong("true or false")
			return
		}
		v.SetBool(strings.EqualFold(text, "true"))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, v.Type().Bits())
		if err != nil {
			wrong("a whole number")
			return
		}
		v.SetInt(i)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		i, err := strconv.ParseUint(strings.ReplaceAll(text, "_", ""), 10, v.Type().Bits())
		if err != nil {
			wrong("a whole number of zero or more")
			return
		}
		v.SetUint(i)
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(text, v.Type().Bits())
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			wrong("a number")
			return
		}
		v.SetFloat(f)
	default:
		d.faultAt(path, lead(path, "this build cannot read a "+v.Type().String()), "")
	}
}

// lead puts the path in front of a text, without repeating its last part.
func lead(path, text string) string {
	key := path[strings.LastIndexByte(path, '.')+1:]
	return path + ": " + strings.TrimPrefix(text, key+": ")
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	}
	return "a single value"
}

// start is the first token of a node. A block mapping's own token is its first colon.
func start(n ast.Node) *token.Token {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return m.Values[0].Key.GetToken()
	}
	return n.GetToken()
}

// place is where a node begins.
func (d *decoder) place(n ast.Node) Position { return d.placeOf(start(n)) }

func (d *decoder) placeOf(t *token.Token) Position {
	if t == nil || t.Position == nil {
		return Position{File: d.name}
	}
	return Position{d.name, t.Position.Line, t.Position.Column}
}

// at is where the value of a path stands, or the nearest thing around it that is written.
func (d *decoder) at(path string) Position {
	for ; path != ""; path = parent(path) {
		if t, ok := d.values[path]; ok {
			if t.Value == "null" && d.keys[path] != nil { // nothing is written there
				return d.placeOf(d.keys[path])
			}
			return d.placeOf(t)
		}
		if t, ok := d.keys[path]; ok {
			return d.placeOf(t)
		}
	}
	return Position{File: d.name, Line: min(1, len(d.lines)), Column: 1}
}

// atKey is where the key of a path stands.
func (d *decoder) atKey(path string) Position {
	if t, ok := d.keys[path]; ok {
		return d.placeOf(t)
	}
	return d.at(path)
}

// written reports whether the file says something at a path.
func (d *decoder) written(path string) bool {
	_, ok := d.values[path]
	return ok
}

func parent(path string) string {
	return path[:max(0, max(strings.LastIndexByte(path, '.'), strings.LastIndexByte(path, '[')))]
}

func (d *decoder) faultAt(path, text, hint string) { d.fault(d.at(path), text, hint) }
