package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// A oneConn is a listener of one connection without a network.
type oneConn struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error   { close(l.closed); return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// TestLongRequestsAreLeftAlone: the bounds on slow clients must not end what takes its time in the node.
func TestLongRequestsAreLeftAlone(t *testing.T) {
	tests := map[string]struct {
		request string
		takes   time.Duration
		status  int
	}{
		"a long one without a body":    {"POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 10 * time.Minute, 200},
		"a long one with a body":       {"POST /long HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 10 * time.Minute, 200},
		"one that asked for more time": {"GET /short?timeout=60s HTTP/1.1\r\nHost: x\r\n\r\n", 50 * time.Second, 200},
		"one that did not":             {"GET /short HTTP/1.1\r\nHost: x\r\n\r\n", 50 * time.Second, 503},
		"one that asked for too much":  {"GET /short?timeout=10m HTTP/1.1\r\nHost: x\r\n\r\n", 5 * time.Minute, 503},
		"one that asked for little":    {"GET /short?timeout=5s HTTP/1.1\r\nHost: x\r\n\r\n", 10 * time.Second, 503},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				work := func(x *exchange) error {
					var in struct{}
					if err := x.readJSON(maxAdminBody, true, &in); err != nil {
						return err
					}
					select {
					case <-time.After(test.takes):
						return x.answer(http.StatusOK, in)
					case <-x.ctx().Done():
						return x.ctx().Err()
					}
				}
				a := New(nil, Options{Metrics: http.NotFoundHandler()})
				a.routes = []route{
					{method: "POST", path: "/long", long: true, handle: work},
					{method: "GET", path: "/short", params: []param{paramTimeout}, handle: work},
				}
				a.mux = a.newMux()
				l := &oneConn{conn: make(chan net.Conn), closed: make(chan struct{})}
				server := Server(a, Limits{})
				done := make(chan error, 1)
				go func() { done <- server.Serve(l) }()
				ours, theirs := net.Pipe()
				l.conn <- theirs
				if _, err := fmt.Fprint(ours, test.request); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(bufio.NewReader(ours), nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if resp.StatusCode != test.status || err != nil {
					t.Errorf("%d, want %d: %s %v", resp.StatusCode, test.status, body, err)
				}
				ours.Close()
				server.Close()
				<-done
			})
		})
	}
}
