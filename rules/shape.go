package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// A shape is what a value of a rule file must look like. rulefmt stops at the first wrong type and
// names no place for a bad duration, so the shape is checked here first, whole.
type shape struct {
	kind  yaml.Kind
	want  string           // "a list of groups"
	keys  map[string]shape // of a mapping; nil allows any key
	items *shape           // of a sequence, or of a mapping with any key
	check func(string) error
}

var (
	text     = shape{kind: yaml.ScalarNode, want: "text"}
	number   = shape{kind: yaml.ScalarNode, want: "a whole number", check: wholeNumber}
	duration = shape{kind: yaml.ScalarNode, want: "a duration", check: validDuration}
	labelSet = shape{kind: yaml.MappingNode, want: "a mapping of names to texts", items: &text}

	ruleShape = shape{kind: yaml.MappingNode, want: "a rule", keys: map[string]shape{
		"record": text, "alert": text, "expr": text, "for": duration, "keep_firing_for": duration,
		"labels": labelSet, "annotations": labelSet,
	}}
	groupShape = shape{kind: yaml.MappingNode, want: "a group", keys: map[string]shape{
		"name": text, "interval": duration, "query_offset": duration, "limit": number, "labels": labelSet,
		"rules": {kind: yaml.SequenceNode, want: "a list of rules", items: &ruleShape},
	}}
	fileShape = shape{kind: yaml.MappingNode, want: "a mapping with groups", keys: map[string]shape{
		"groups": {kind: yaml.SequenceNode, want: "a list of groups", items: &groupShape},
	}}
)

func wholeNumber(s string) error {
	for _, r := range s {
		if r < '0' || r > '9' {
			return fmt.Errorf("%q is no whole number", s)
		}
	}
	return nil
}

func validDuration(s string) error {
	if _, err := model.ParseDuration(s); err != nil {
		return fmt.Errorf("%q is no duration; write 30s, 5m or 1h30m", s)
	}
	return nil
}

// A shapeChecker walks a file. Its group and rule are where it is.
type shapeChecker struct {
	file     *File
	faults   Faults
	readable bool // rulefmt can read the file, too
	visits   int
	group    string
	rule     int
	ruleName string
}

// checkShape returns what is wrong with the shape of f, and whether rulefmt can still read it.
func checkShape(f *File) (Faults, bool) {
	c := &shapeChecker{file: f, readable: true}
	if f.outline.root.Kind == 0 || f.outline.root.Tag == "!!null" {
		return nil, true
	}
	c.walk(f.outline.root, fileShape, "")
	return c.faults, c.readable
}

func (c *shapeChecker) fault(n *yaml.Node, text, hint string) {
	c.faults = append(c.faults, Fault{
		File: c.file.Name, Line: n.Line, Column: n.Column, Group: c.group, Rule: c.rule, Name: c.ruleName, Text: text, Hint: hint,
	})
}

func (c *shapeChecker) unreadable(n *yaml.Node, text, hint string) {
	c.readable = false
	c.fault(n, text, hint)
}

// maxVisits ends the walk of a file whose aliases unfold to more than a person wrote.
const maxVisits = 200_000

func (c *shapeChecker) walk(n *yaml.Node, want shape, key string) {
	if c.visits++; c.visits >= maxVisits {
		if c.visits == maxVisits {
			c.unreadable(n, fmt.Sprintf("more than %d values", maxVisits), "write fewer aliases, or split the file")
		}
		return
	}
	n = resolve(n)
	if n.Tag == "!!null" {
		return
	}
	if n.Kind != want.kind {
		c.unreadable(n, strings.TrimPrefix(key+": want "+want.want+", not "+kindName(n.Kind), ": "), "")
		return
	}
	switch n.Kind {
	case yaml.ScalarNode:
		c.scalar(n, want, key)
	case yaml.SequenceNode:
		for i, item := range n.Content {
			c.enter(item, want.items, i)
			c.walk(item, *want.items, "")
		}
	case yaml.MappingNode:
		c.mapping(n, want)
	}
}

// enter notes in which group or rule the walk is.
func (c *shapeChecker) enter(item *yaml.Node, of *shape, i int) {
	switch of {
	case &groupShape:
		c.group, c.rule, c.ruleName = field(item, "name").Value, 0, ""
	case &ruleShape:
		c.rule, c.ruleName = i+1, field(item, "alert").Value+field(item, "record").Value
	}
}

func (c *shapeChecker) scalar(n *yaml.Node, want shape, key string) {
	if want.check != nil {
		if err := want.check(n.Value); err != nil {
			c.unreadable(n, key+": "+err.Error(), "")
		}
	}
	if key == "expr" && len(n.Value) > MaxExpr {
		c.unreadable(n, "expr: "+parseFault(n.Value), "")
	}
}

func parseFault(expr string) string {
	if err := CheckExpr(expr); err != nil {
		return err.Error()
	}
	return ""
}

func (c *shapeChecker) mapping(n *yaml.Node, want shape) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if first, ok := seen[key.Value]; ok {
			c.unreadable(key, fmt.Sprintf("%q is there twice", key.Value), fmt.Sprintf("the other one is on line %d", first))
			continue
		}
		seen[key.Value] = key.Line
		if key.Value == "<<" {
			c.unreadable(key, "merge keys (<<) are not read", "write the keys out")
			continue
		}
		if want.keys == nil {
			c.walk(value, *want.items, key.Value)
			continue
		}
		next, ok := want.keys[key.Value]
		if !ok {
			c.fault(key, fmt.Sprintf("unknown key %q", key.Value), suggestion(key.Value, want.keys))
			continue
		}
		c.walk(value, next, key.Value)
	}
}

func kindName(k yaml.Kind) string {
	switch k {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	}
	return "a single value"
}

// suggestion names the key that was probably meant, or all of them.
func suggestion(got string, keys map[string]shape) string {
	names := slices.Sorted(maps.Keys(keys))
	if near := Nearest(got, names); near != "" {
		return "did you mean " + near + "?"
	}
	return "the keys here are " + strings.Join(names, ", ")
}

func sorted(fs Faults) Faults {
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Text, b.Text))
	})
	return slices.CompactFunc(fs, func(a, b Fault) bool { return a == b })
}
