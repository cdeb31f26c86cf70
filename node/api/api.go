package api

import (
	"context"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"sync"
	"time"

	"github.com/engramd/engramd/node"
)

// Options of an API. Zero values are defaults.
type Options struct {
	// Metrics serves /metrics; the node's own.
	Metrics http.Handler
	Logger  *slog.Logger
	// Now is the clock.
	Now func() time.Time
	// MaxRequests is how many requests are worked on at once; 1,024. More wait a moment and are refused then.
	MaxRequests int
	// MaxBodyBytes is what the bodies of all requests may take together; 256 MiB.
	MaxBodyBytes int64
	// MaxStreams is how many imports and exports run at once; 16.
	MaxStreams int
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxRequests <= 0 {
		o.MaxRequests = 1024
	}
	if o.MaxBodyBytes <= 0 {
		o.MaxBodyBytes = 256 << 20
	}
	if o.MaxStreams <= 0 {
		o.MaxStreams = 16
	}
	return o
}

// An API serves a node over HTTP.
type API struct {
	node    *node.Node
	log     *slog.Logger
	now     func() time.Time
	opts    Options
	mux     *http.ServeMux
	routes  []route
	started time.Time
	bodies  *bodies
	turns   chan struct{} // one a request that is worked on
	flows   chan struct{} // one an import or export
	// changing is held while some of several settings are changed, and the others kept.
	changing sync.Mutex

	document func() []byte // OpenAPI
}

// New returns the API of n, which must run while it is used. It starts nothing. Whoever reaches it may do everything: what asks for
// tokens and keeps foreign web pages away stands in front of it (see [API.Needs]).
func New(n *node.Node, o Options) *API {
	o = o.withDefaults()
	if o.Metrics == nil {
		o.Metrics = n.Metrics()
	}
	a := &API{
		node: n, opts: o, log: o.Logger.With("component", "node api"), now: o.Now, started: o.Now().UTC(),
		bodies: newBodies(o.MaxBodyBytes), turns: make(chan struct{}, o.MaxRequests), flows: make(chan struct{}, o.MaxStreams),
	}
	a.routes = a.table()
	a.mux = a.newMux()
	a.document = sync.OnceValue(func() []byte { return openAPI(a.routes) })
	return a
}

// An exchange is one request and its answer.
type exchange struct {
	api *API
	w   http.ResponseWriter
	r   *http.Request
	q   query
	in  bool // it has a turn
}

func (x *exchange) ctx() context.Context { return x.r.Context() }

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{api: a, w: w, r: r}
	defer x.recovered()
	h := w.Header()
	h["Server"], h["X-Content-Type-Options"] = headerServer, headerNoSniff
	if p := r.URL.Path; p == "" || p[0] != '/' || path.Clean(p) != p {
		x.refuse(notThere(r)) // the mux would send it elsewhere
		return
	}
	a.mux.ServeHTTP(w, r)
}

var (
	headerServer  = []string{"engramd"}
	headerNoSniff = []string{"nosniff"}
)

func notThere(r *http.Request) *Problem {
	return problem(http.StatusNotFound, "no-endpoint", "there is no %.20s %.100q", r.Method, r.URL.Path).
		withRemedy("see /openapi.json")
}

// recovered answers for a handler that panicked: one bad request must not end a node.
func (x *exchange) recovered() {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p) // the server's own way to cut an answer short
	}
	x.api.log.Error("request panicked", "method", x.r.Method, "path", x.r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	x.refuse(problem(http.StatusInternalServerError, kindInternal, "the node failed to answer; its log says why"))
}
