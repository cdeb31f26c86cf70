package api

import (
	"fmt"
	"net/http"
)

// A Problem is an error as the API tells it (RFC 9457), with the remedy and the single fields that are wrong as extensions.
type Problem struct {
	Type   string  `json:"type"` // urn:engramd:problem:KIND, or about:blank
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail,omitempty"`
	Remedy string  `json:"remedy,omitempty"`
	Fields []Field `json:"fields,omitempty"`
	// RetryAfterSeconds says when to try again; zero: it is no use, or unknown.
	RetryAfterSeconds int `json:"retry_after_seconds,omitzero"`

	allow string // of a 405
	last  bool   // the connection ends with it: what is left of the body is not read
}

// A Field is what is wrong with one field or parameter.
type Field struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

const problemPrefix = "urn:engramd:problem:"

// Error is the sentence for people.
func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	if p.Remedy != "" {
		text += ": " + p.Remedy
	}
	return text
}

// Is tells whether p is what the API makes of target, so that errors.Is(err, node.ErrConflict) is true on both sides of the wire.
func (p *Problem) Is(target error) bool {
	for _, f := range faults {
		if p.Type == problemPrefix+f.kind {
			return f.err == target
		}
	}
	return false
}

func problem(status int, kind, format string, args ...any) *Problem {
	return &Problem{Type: problemPrefix + kind, Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// invalid is the problem of a request that makes no sense.
func invalid(field, format string, args ...any) *Problem {
	reason := fmt.Sprintf(format, args...)
	p := problem(http.StatusBadRequest, kindInvalid, "%s: %s", field, reason)
	p.Fields = []Field{{field, reason}}
	return p
}

// malformed is the problem of a body that cannot be read at all.
func malformed(format string, args ...any) *Problem {
	return problem(http.StatusBadRequest, kindMalformed, format, args...)
}

func (p *Problem) withRemedy(format string, args ...any) *Problem {
	p.Remedy = fmt.Sprintf(format, args...)
	return p
}
