package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	mediaJSON       = "application/json"
	mediaProblem    = "application/problem+json"
	mediaMergePatch = "application/merge-patch+json"
	mediaLines      = "application/x-ndjson"
)

// maxDepth bounds how deep metadata nests.
const maxDepth = 100

// strictly is how bodies are read. Duplicate names and text that is not UTF-8 are refused anyway.
var strictly = json.RejectUnknownMembers(true)

// decode reads exactly one JSON value without unknown fields.
func decode(b []byte, into any) error {
	if err := json.Unmarshal(b, into, strictly); err != nil {
		return decodeProblem(err)
	}
	return nil
}

func decodeProblem(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return malformed("the body is not the JSON it should be: %v at byte %d", s.Err, s.ByteOffset)
	}
	s, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return malformed("the body is not the JSON it should be: %v", err)
	}
	field := strings.TrimPrefix(string(s.JSONPointer), "/")
	if field == "" {
		field = "body"
	}
	switch {
	case errors.Is(err, json.ErrUnknownName):
		return invalid(field, "is not known here")
	case s.Err != nil:
		return invalid(field, "%v", s.Err)
	}
	return invalid(field, "cannot be a JSON %s", s.JSONKind)
}

// checkDepth bounds the nesting of what is kept as it comes. b is valid JSON, or empty.
func checkDepth(field string, b []byte) error {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return invalid(field, "nests deeper than %d", maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// read reads the body. Others have the request's turn meanwhile: a thousand clients that send half a body must not keep everybody else out.
func (x *exchange) read(limit int64) (*body, error) {
	had := x.in
	x.leave()
	b, err := x.api.bodies.read(x.r, limit)
	if err != nil || !had {
		return b, err
	}
	if err := x.enter(); err != nil {
		b.release()
		return nil, err
	}
	return b, nil
}

// readJSON reads a JSON body into what is asked for. An empty body is allowed where optional says so.
func (x *exchange) readJSON(limit int64, optional bool, into any) error {
	b, err := x.read(limit)
	if err != nil {
		return err
	}
	defer b.release()
	if len(b.b) == 0 && optional {
		return nil
	}
	if err := checkMedia(x.r, mediaJSON); err != nil {
		return err
	}
	return decodeBody(b.b, into)
}

// readJSONAs reads a body of one of some media types.
func (x *exchange) readJSONAs(limit int64, into any, media ...string) error {
	b, err := x.read(limit)
	if err != nil {
		return err
	}
	defer b.release()
	if err := checkMedia(x.r, media...); err != nil {
		return err
	}
	return decodeBody(b.b, into)
}

func decodeBody(b []byte, into any) error {
	if len(b) == 0 {
		return malformed("the body is empty")
	}
	return decode(b, into)
}

// acceptable tells whether the client takes an answer of this type.
func acceptable(r *http.Request, media string) error {
	for _, header := range r.Header["Accept"] {
		for one := range strings.SplitSeq(header, ",") {
			kind, _, _ := strings.Cut(one, ";")
			if kind = strings.TrimSpace(kind); kind == "*/*" || kind == "" || equalFold(kind, media) || equalFold(kind, "application/*") {
				return nil
			}
		}
	}
	if len(r.Header["Accept"]) == 0 {
		return nil
	}
	return problem(http.StatusNotAcceptable, "not-acceptable", "this is answered as %s only", media)
}

func equalFold(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }
