package api

import (
	"fmt"
	"net/http"
)

// A Problem is an error as the API tells it (RFC 9457), with the remedy as an extension.
type Problem struct {
	Type   string `json:"type"` // "about:blank", or what urn:engramd:problem: names
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Faults are the single faults, where there are several (a configuration).
	Faults []string `json:"faults,omitempty"`
}

// Error is the sentence for people.
func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	for _, f := range p.Faults {
		text += "\n  " + f
	}
	if p.Remedy != "" {
		text += ": " + p.Remedy
	}
	return text
}

func problem(status int, kind, format string, args ...any) *Problem {
	return &Problem{Type: "urn:engramd:problem:" + kind, Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// NotFound is the problem of a name or an id that nothing has.
func NotFound(format string, args ...any) *Problem {
	return problem(http.StatusNotFound, "not-found", format, args...)
}

// Conflict is the problem of something that cannot be done in the state of now: an action that is
// past waiting, a plan that has changed.
func Conflict(format string, args ...any) *Problem {
	return problem(http.StatusConflict, "conflict", format, args...)
}

// Invalid is the problem of a request that makes no sense.
func Invalid(format string, args ...any) *Problem {
	return problem(http.StatusUnprocessableEntity, "invalid", format, args...)
}

// Unavailable is the problem of something that may work later.
func Unavailable(format string, args ...any) *Problem {
	return problem(http.StatusServiceUnavailable, "unavailable", format, args...)
}

// WithRemedy adds what to do.
func (p *Problem) WithRemedy(format string, args ...any) *Problem {
	p.Remedy = fmt.Sprintf(format, args...)
	return p
}

// WithFaults adds the single faults.
func (p *Problem) WithFaults(faults ...string) *Problem {
	p.Faults = append(p.Faults, faults...)
	return p
}
