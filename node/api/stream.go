package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// A stream gives a long exchange its time: it may take as long as each side makes progress.
type stream struct {
	x       *exchange
	control *http.ResponseController
	writeBy time.Time

	mu      sync.Mutex
	readBy  time.Time
	stopped bool
}

// stream lets one more import or export run, until the returned func is called.
func (x *exchange) stream() (*stream, func(), error) {
	select {
	case x.api.flows <- struct{}{}:
	default:
		p := problem(http.StatusServiceUnavailable, "busy", "%d imports and exports are under way already", cap(x.api.flows))
		p.RetryAfterSeconds = 5
		return nil, nil, p
	}
	return &stream{x: x, control: http.NewResponseController(x.w)}, func() { <-x.api.flows }, nil
}

// later tells whether a deadline is to be moved, and where to: not at every call, for each costs.
func later(set *time.Time) (time.Time, bool) {
	now := time.Now()
	if set.Sub(now) > stallTime*3/4 {
		return *set, false
	}
	*set = now.Add(stallTime)
	return *set, true
}

// Read reads the body of the request.
func (s *stream) Read(b []byte) (int, error) {
	if err := s.readSoon(); err != nil {
		return 0, err
	}
	return s.x.r.Body.Read(b)
}

func (s *stream) readSoon() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return io.ErrClosedPipe
	}
	if by, move := later(&s.readBy); move {
		_ = s.control.SetReadDeadline(by) // not supported outside a server, where nothing has to be bounded
	}
	return nil
}

// Write writes to the client.
func (s *stream) Write(b []byte) (int, error) {
	if by, move := later(&s.writeBy); move {
		_ = s.control.SetWriteDeadline(by)
	}
	return s.x.w.Write(b)
}

// flush sends what was written.
func (s *stream) flush() error { return s.control.Flush() }

// stop ends a Read that waits, and all that come.
func (s *stream) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	_ = s.control.SetReadDeadline(time.Unix(1, 0))
}

// lingerTime is how long a connection stays open after an answer to a client that sends on.
const lingerTime = 500 * time.Millisecond

// linger sends the answer, and drops what the client still sends, for a moment: were the connection closed at once, the kernel would reset it,
// and the client could lose the answer that tells why. A body whose reading was stopped cannot be read any more; then it only waits.
func (s *stream) linger() {
	_ = s.flush()
	until := time.NewTimer(lingerTime)
	defer until.Stop()
	_ = s.control.SetReadDeadline(time.Now().Add(lingerTime))
	if _, err := io.Copy(io.Discard, s.x.r.Body); errors.Is(err, os.ErrDeadlineExceeded) {
		<-until.C // the request's context has ended with the deadline, and tells nothing of the client any more
	}
}
