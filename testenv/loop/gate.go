package loop

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
)

// A Gate stands between engramd and what it gives orders to, like a proxy. It passes everything on, except for what it was
// told to hold: so a test can stop engramd at one exact call, and no hook in the product is needed.
type Gate struct {
	address string // for engramd

	mu   sync.Mutex
	hold *Hold
}

var errDropped = errors.New("dropped at the gate")

// maxRequest bounds what engramd may send.
const maxRequest = 1 << 20

// OpenGate makes a gate to the Docker engine at that address (unix:///...). It is closed with the test.
func OpenGate(t testing.TB, engine string) *Gate {
	t.Helper()
	dir, err := os.MkdirTemp("", "gate-") // short: a socket's path may have 107 bytes
	if err != nil {
		t.Fatalf("loop: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "docker.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatalf("loop: %v", err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(engine, "unix://"))
	}}
	return serve(t, listener, "unix://"+socket, &url.URL{Scheme: "http", Host: "docker"}, transport)
}

// OpenGateTo makes a gate on loopback to the server at that URL. Whoever calls is known there by what the transport adds,
// and by what the call itself carries.
func OpenGateTo(t testing.TB, server string, transport http.RoundTripper) *Gate {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatalf("loop: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("loop: %v", err)
	}
	return serve(t, listener, "http://"+listener.Addr().String(), to, transport)
}

func serve(t testing.TB, listener net.Listener, address string, to *url.URL, transport http.RoundTripper) *Gate {
	g := &Gate{address: address}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.Transport = transport
	proxy.FlushInterval = -1 // an answer that goes on and on is passed on as it comes
	// A server that is gone, and an answer that is held back, look like what they are: a connection that breaks.
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	proxy.ModifyResponse = func(answer *http.Response) error {
		_, err := g.pass(answer.Request, false)
		return err
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// Only a request that was read whole tells when its sender is gone.
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
			r.Body = io.NopCloser(bytes.NewReader(body))
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			h, err := g.pass(r, true)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			proxy.ServeHTTP(w, h.traced(r))
		}),
		ReadHeaderTimeout: time.Minute, ErrorLog: log.New(os.Stderr, "gate: ", 0),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // until it is closed
	}()
	t.Cleanup(func() {
		g.Open()
		_ = server.Close()
		<-ended
		if idle, ok := transport.(interface{ CloseIdleConnections() }); ok {
			idle.CloseIdleConnections()
		}
	})
	return g
}

// Host is the gate's address, as DOCKER_HOST has it or as a URL.
func (g *Gate) Host() string { return g.address }

// A Call names a request by its method and the end of its path: "POST /start".
type Call string

func (c Call) is(r *http.Request) bool {
	method, end, _ := strings.Cut(string(c), " ")
	return r.Method == method && strings.HasSuffix(r.URL.Path, end)
}

// A Hold is what a gate holds, or is about to.
type Hold struct {
	call   Call
	before bool // the engine has not seen it; else it has done it, and engramd has no answer
	nth    int  // which of them; from then on all are held
	seen   int
	after  Call // count only from such a call on
	begun  bool

	held, open, dropped, sent chan struct{}
	onceHeld, onceSent        sync.Once
}

// Before holds the nth such request from then on, before the engine sees it. What engramd no longer waits for never
// reaches the engine.
func (g *Gate) Before(nth int, call Call) *Hold {
	return g.set(&Hold{call: call, before: true, nth: nth})
}

// After has the engine do what the nth such request from then on asks for, and holds its answer.
func (g *Gate) After(nth int, call Call) *Hold { return g.set(&Hold{call: call, nth: nth}) }

// BeforeAfter holds every such request, once the engine has done an earlier one.
func (g *Gate) BeforeAfter(call, earlier Call) *Hold {
	return g.set(&Hold{call: call, before: true, nth: 1, after: earlier})
}

func (g *Gate) set(h *Hold) *Hold {
	g.Open()
	h.held, h.open, h.dropped, h.sent = make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hold = h
	return h
}

// Open lets everything through again, also what is held.
func (g *Gate) Open() { g.end(func(h *Hold) { close(h.open) }) }

// Drop breaks the connections of what is held, and lets everything through that comes later.
func (g *Gate) Drop() { g.end(func(h *Hold) { close(h.dropped) }) }

func (g *Gate) end(how func(*Hold)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.hold != nil {
		how(g.hold)
		g.hold = nil
	}
}

// Holds tells whether something is held.
func (h *Hold) Holds() bool { return closed(h.held) }

// Sent tells whether what was held before the engine saw it is on its way there by now.
func (h *Hold) Sent() bool { return closed(h.sent) }

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Await waits until something is held.
func (h *Hold) Await(t testing.TB, within time.Duration) {
	t.Helper()
	testenv.Eventually(t, within, string(h.call)+" is held", h.Holds)
}

// traced notes when a request that was held is sent on. A nil hold held nothing.
func (h *Hold) traced(r *http.Request) *http.Request {
	if h == nil {
		return r
	}
	wrote := func(httptrace.WroteRequestInfo) { h.onceSent.Do(func() { close(h.sent) }) }
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{WroteRequest: wrote}))
}

// pass returns at once, unless the request is to be held at this point of its way: then, with what held it, when the gate
// is opened, or with an error when it is dropped or engramd has given it up.
func (g *Gate) pass(r *http.Request, before bool) (*Hold, error) {
	g.mu.Lock()
	h := g.hold
	holds := h != nil && h.catches(r, before)
	g.mu.Unlock()
	if !holds {
		return nil, nil
	}
	h.onceHeld.Do(func() { close(h.held) })
	select {
	case <-h.open:
		return h, nil
	case <-h.dropped:
		return h, errDropped
	case <-r.Context().Done():
		return h, r.Context().Err()
	}
}

// catches decides about one request at one point of its way. The gate is locked.
func (h *Hold) catches(r *http.Request, before bool) bool {
	if h.after != "" && !before && h.after.is(r) {
		h.begun = true
		return false
	}
	if before != h.before || h.after != "" && !h.begun || !h.call.is(r) {
		return false
	}
	h.seen++
	return h.seen >= h.nth
}
