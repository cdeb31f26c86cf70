package load

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// A Kind is what became of a request.
type Kind uint8

// The kinds of outcome. All but OK are lost requests, from a client's point of view.
const (
	OK          Kind = iota // a 2xx or 3xx answer, read to its end
	Refused                 // nobody listened
	Unavailable             // 503
	Status                  // any other status
	Timeout                 // no answer before the deadline
	Reset                   // the connection broke before the answer was complete
	Saturated               // not sent: too many were outstanding
	Other                   // any other error
)

var kindNames = [...]string{"ok", "refused", "503", "status", "timeout", "reset", "saturated", "other"}

func (k Kind) String() string { return kindNames[k] }

// A Sample is one request.
type Sample struct {
	Due  time.Time // when it should have left
	Sent time.Time // when it left
	Done time.Time // when its outcome was known
	Kind Kind
}

// Latency is the time from when the request was due to its outcome.
func (s Sample) Latency() time.Duration { return s.Done.Sub(s.Due) }

// within tells whether the request belongs to [from, to), as [Report.Between] says.
func (s Sample) within(from, to time.Time) bool {
	in := func(t time.Time) bool { return !t.Before(from) && t.Before(to) }
	turnedAway := s.Kind == Unavailable || s.Kind == Refused
	return in(s.Sent) || turnedAway && in(s.Done)
}

func kindOfStatus(code int) Kind {
	switch {
	case code == http.StatusServiceUnavailable:
		return Unavailable
	case code >= 200 && code < 400:
		return OK
	}
	return Status
}

func kindOf(err error) Kind {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return Timeout
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Reset
	}
	return Other
}
