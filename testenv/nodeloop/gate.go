package nodeloop

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// A Gate stands in front of a node and lets everything pass, but for the one request that it is told to hold.
type Gate struct {
	URL string

	mu   sync.Mutex
	hold *Hold
}

// A Hold is a request that is held, before it reaches the node or before its answer goes back.
type Hold struct {
	path  string // of it
	after bool
	held  chan struct{} // closed when it is there
	let   chan struct{}
	once  sync.Once
}

// Held is closed when the request is there.
func (h *Hold) Held() <-chan struct{} { return h.held }

// Let lets it go on.
func (h *Hold) Let() { h.once.Do(func() { close(h.let) }) }

// NewGate opens a gate to the node at a URL.
func NewGate(t testing.TB, to string) *Gate {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := g.take(r)
		if h == nil {
			proxy.ServeHTTP(w, r)
			return
		}
		if h.after { // what the node does stays, and nobody hears of it
			proxy.ServeHTTP(httptest.NewRecorder(), r)
		}
		close(h.held)
		<-h.let
		panic(http.ErrAbortHandler)
	}))
	g.URL = server.URL
	t.Cleanup(func() {
		g.mu.Lock()
		if g.hold != nil {
			g.hold.Let()
		}
		g.mu.Unlock()
		server.Close()
	})
	return g
}

// Next holds the next POST to a path, before it or after it is done.
func (g *Gate) Next(path string, after bool) *Hold {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hold = &Hold{path: path, after: after, held: make(chan struct{}), let: make(chan struct{})}
	return g.hold
}

func (g *Gate) take(r *http.Request) *Hold {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.hold
	if h == nil || r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, h.path) {
		return nil
	}
	g.hold = nil
	return h
}
