package kubernetes

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// An API server that has just come back answers 403 to everybody until it has read who may do what.
// comebackFor is how long after a lost connection, or an answer of the 500s, a 403 is not believed.
const comebackFor = 15 * time.Second

// A comeback is the transport to an API server, which takes its first refusals after an outage for a
// part of the outage.
type comeback struct {
	next http.RoundTripper

	mu   sync.Mutex
	lost time.Time // by our clock
}

// RoundTrip carries a request out.
func (c *comeback) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.next.RoundTrip(r)
	switch {
	case err != nil && r.Context().Err() != nil:
		return answer, err // whoever asked has gone
	case err != nil || answer.StatusCode >= http.StatusInternalServerError:
		c.mu.Lock()
		c.lost = time.Now()
		c.mu.Unlock()
		return answer, err
	case answer.StatusCode != http.StatusForbidden || !c.justBack():
		return answer, nil
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10)) // what there is of it
	return nil, fmt.Errorf("the API server was away until just now, and its refusal is not believed yet: %s", text)
}

func (c *comeback) justBack() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.lost.IsZero() && time.Since(c.lost) < comebackFor
}

// CloseIdleConnections passes on what [http.Client] asks of its transport.
func (c *comeback) CloseIdleConnections() {
	if n, ok := c.next.(interface{ CloseIdleConnections() }); ok {
		n.CloseIdleConnections()
	}
}

// WrappedRoundTripper leads client-go to what can cancel a request.
func (c *comeback) WrappedRoundTripper() http.RoundTripper { return c.next }
