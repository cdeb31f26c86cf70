package config

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/engramd/engramd/actuators"
)

// Bounds of what is read: the YAML parser's time grows with the square of a mapping's entries and its
// stack with the depth, and aliases unfold.
const (
	// MaxBytes is the largest agent.yaml that is read.
	MaxBytes = 512 << 10

	maxTokens = 60_000
	maxVisits = 100_000
	maxDepth  = 40
	maxColumn = 1000 // of what opens a block; deeper is no nesting that a person wrote
)

// decodeDocument fills into from the one document of s.
func decodeDocument(s *source, into any, reg actuators.Registry) *decoder {
	d := &decoder{
		source: s, registry: reg,
		values: map[string]*token.Token{}, keys: map[string]*token.Token{}, anchors: map[string]ast.Node{},
	}
	defer func() {
		if r := recover(); r != nil { // the YAML library met something that it did not expect
			s.fault(Position{}, fmt.Sprintf("not readable as YAML: %v", r), "see the quotes, brackets and indentation")
		}
	}()
	s.decoding = true
	defer func() { s.decoding = false }()
	body := s.parse()
	if body == nil {
		return d
	}
	ast.Walk(anchorVisitor{d}, body)
	d.decode(body, reflect.ValueOf(into).Elem(), "")
	return d
}

// parse returns the body of the only document, nil if there is none or it is faulty.
func (s *source) parse() ast.Node {
	if len(s.data) > MaxBytes {
		s.fault(Position{}, fmt.Sprintf("file of %d bytes: at most %d are read", len(s.data), MaxBytes), "")
		return nil
	}
	tokens := lexer.Tokenize(string(s.data))
	if !s.bounded(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		s.syntax(err)
		return nil
	}
	var found ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if found != nil {
			at := start(doc.Body).Position
			s.fault(Position{s.name, at.Line, at.Column}, "a second document", "one file holds one; remove the --- and what follows")
			return nil
		}
		found = doc.Body
	}
	if found == nil && !s.mayBeEmpty {
		s.fault(Position{Line: 1, Column: 1}, "the file is empty", "at least `version: 1` must be there")
	}
	return found
}

// bounded refuses what the parser would take too long or too much stack for.
func (s *source) bounded(tokens token.Tokens) bool {
	depth, chained := 0, 0
	refuse := func(t *token.Token, text string) bool {
		s.fault(Position{s.name, t.Position.Line, t.Position.Column}, text, "")
		return false
	}
	for i, t := range tokens {
		if i >= maxTokens {
			return refuse(t, fmt.Sprintf("more than %d words and signs", maxTokens))
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.AnchorType, token.TagType, token.MappingKeyType:
			chained++
		case token.SequenceEntryType, token.MappingValueType:
			if depth == 0 && t.Position.Column > maxColumn {
				return refuse(t, "nested too deeply")
			}
		}
		if depth > maxDepth || chained > maxColumn {
			return refuse(t, "nested too deeply")
		}
	}
	return true
}

// syntax notes what the parser could not read.
func (s *source) syntax(err error) {
	bad, ok := errors.AsType[*yaml.SyntaxError](err)
	if !ok || bad.Token == nil || bad.Token.Position == nil {
		s.fault(Position{}, fmt.Sprintf("not readable as YAML: %v", err), "")
		return
	}
	s.fault(Position{s.name, bad.Token.Position.Line, bad.Token.Position.Column}, "not readable as YAML: "+bad.Message, "see the quotes, brackets and indentation there")
}

// An anchorVisitor notes every anchor before anything is decoded.
type anchorVisitor struct{ d *decoder }

// Visit notes an anchor.
func (v anchorVisitor) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil {
		v.d.anchors[a.Name.GetToken().Value] = a.Value
	}
	return v
}
