package rules

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// An outline knows where the parts of a rule file stand: rulefmt's own errors know it only of some.
type outline struct {
	source []byte
	root   *yaml.Node
}

// groups returns the nodes of the groups; it is empty if the file has another shape.
func (o outline) groups() []*yaml.Node { return content(field(o.root, "groups")) }

func (o outline) group(g int) *yaml.Node { return at(o.groups(), g) }

func (o outline) rules(g int) []*yaml.Node { return content(field(o.group(g), "rules")) }

func (o outline) rule(g, r int) *yaml.Node { return at(o.rules(g), r) }

// inRule returns the value at the path of keys below a rule, or the deepest part of it that exists.
func (o outline) inRule(g, r int, path ...string) *yaml.Node {
	n := o.rule(g, r)
	for _, key := range path {
		next := field(n, key)
		if next.Kind == 0 {
			break
		}
		n = next
	}
	return n
}

// nowhere is a node without a place, so that a chain of look-ups needs no checks.
func nowhere() *yaml.Node { return &yaml.Node{} }

func at(nodes []*yaml.Node, i int) *yaml.Node {
	if i < 0 || i >= len(nodes) {
		return nowhere()
	}
	return resolve(nodes[i])
}

func content(n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

func field(n *yaml.Node, key string) *yaml.Node {
	if n == nil {
		return nowhere()
	}
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		return nowhere()
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return resolve(n.Content[i+1])
		}
	}
	return nowhere()
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// Locate returns where the byte at offset of a scalar's value stands in the source, whose first byte
// is at line and column (both from 1). It follows quotes, escapes and the indentation of blocks, and
// returns the scalar's own place where it cannot.
func Locate(source []byte, line, column int, value string, offset int) (int, int) {
	if offset < 0 || offset > len(value) || line < 1 || column < 1 {
		return line, column
	}
	rest, ok := from(source, line, column)
	if !ok {
		return line, column
	}
	l, c := line, column
	step := func() {
		r, n := utf8.DecodeRune(rest)
		rest = rest[n:]
		c++
		if r == '\n' {
			l, c = l+1, 1
		}
	}
	if rest[0] == '|' || rest[0] == '>' {
		for len(rest) > 0 && rest[0] != '\n' {
			step()
		}
	}
	skip := func(want rune) bool { // up to the next rune that is want
		for len(rest) > 0 {
			r, _ := utf8.DecodeRune(rest)
			if r == want {
				return true
			}
			if !strings.ContainsRune(" \t\r\n\"'\\", r) {
				return false
			}
			step()
		}
		return false
	}
	for i, r := range value {
		if strings.ContainsRune(" \t\r\n", r) && i < offset {
			continue
		}
		if !skip(r) && i < offset {
			return line, column
		}
		if i >= offset {
			break
		}
		step()
	}
	return l, c
}

// from returns the source from a place on, and false if there is none.
func from(source []byte, line, column int) ([]byte, bool) {
	for ; line > 1; line-- {
		i := bytes.IndexByte(source, '\n')
		if i < 0 {
			return nil, false
		}
		source = source[i+1:]
	}
	for ; column > 1 && len(source) > 0; column-- {
		_, n := utf8.DecodeRune(source)
		source = source[n:]
	}
	return source, len(source) > 0
}
