package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
)

const prefix = "/api/v1"

// How long a request may take.
const (
	defaultTimeout = 30 * time.Second
	maxTimeout     = 60 * time.Second
)

// A param is a parameter in a URL's query.
type param struct {
	name, desc string
	of         any // a value of its type
	enum       []string
	required   bool
	many       bool // may be given several times
}

// A route is one method on one path. The handlers, what parameters they know, and the OpenAPI document follow from it.
type route struct {
	method, path string
	does         string
	needs        Role
	params       []param
	headers      []param // of the request
	in           any     // the body's type; nil: none
	inMedia      string  // of the body; application/json
	optional     bool    // the body may be empty
	example      string  // of a body
	out          any     // the answer's type; nil: none, or not JSON
	outMedia     string  // of the answer; application/json
	status       int     // of success; 200
	also         []int   // other successes
	free         bool    // is always let in: probes
	long         bool    // may take as long as it makes progress
	handle       func(*exchange) error
}

var (
	paramSpace   = param{name: "space", desc: "the space; default", of: ""}
	paramTimeout = param{name: "timeout", desc: "how long this may take, as 500ms; 30s, at most 60s", of: Duration(0)}
)

// newMux has one pattern a path, which looks at the method itself: a 405 must name the methods that there are.
func (a *API) newMux() *http.ServeMux {
	paths := map[string][]*route{}
	for i := range a.routes {
		r := &a.routes[i]
		paths[r.path] = append(paths[r.path], r)
	}
	mux := http.NewServeMux()
	for path, routes := range paths {
		mux.HandleFunc(path, a.dispatch(routes))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		(&exchange{api: a, w: w, r: r}).refuse(notThere(r))
	})
	return mux
}

// dispatch answers all methods of one path.
func (a *API) dispatch(routes []*route) http.HandlerFunc {
	var allowed []string
	for _, r := range routes {
		allowed = append(allowed, r.method)
	}
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	list := strings.Join(allowed, ", ")
	return func(w http.ResponseWriter, req *http.Request) {
		x := &exchange{api: a, w: w, r: req}
		for _, r := range routes {
			if r.takes(req.Method) {
				if err := x.run(r); err != nil {
					x.refuse(err)
				}
				return
			}
		}
		p := problem(http.StatusMethodNotAllowed, "method", "%.100s takes %s, not %.20s", req.URL.Path, list, req.Method)
		p.allow = list
		x.refuse(p)
	}
}

// run does what every request goes through.
func (x *exchange) run(r *route) (err error) {
	if x.q, err = parseQuery(x.r.URL.RawQuery, r.params); err != nil {
		return err
	}
	if r.outMedia == "" {
		if err := acceptable(x.r, mediaJSON); err != nil {
			return err
		}
	}
	if r.free {
		return r.handle(x)
	}
	if err := x.enter(); err != nil {
		return err
	}
	defer x.leave()
	if r.long {
		x.unhurried(time.Time{})
		return r.handle(x)
	}
	timeout, err := x.q.duration("timeout", defaultTimeout)
	if err != nil {
		return err
	}
	ctx, done := context.WithTimeout(x.ctx(), min(timeout, maxTimeout))
	defer done()
	x.r = x.r.WithContext(ctx)
	return r.handle(x)
}

// unhurried moves the server's bound on the answer away from a request that may take longer. The bound on its body stays.
func (x *exchange) unhurried(writeBy time.Time) {
	_ = http.NewResponseController(x.w).SetWriteDeadline(writeBy) // not supported outside a server, where there are no bounds either
}

// patience is how long a request waits to be let in.
const patience = time.Second

// enter waits until one of the requests that are worked on is done.
func (a *API) enter(ctx context.Context) error {
	select {
	case a.turns <- struct{}{}:
		return nil
	default:
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case a.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-late.C:
		p := problem(http.StatusServiceUnavailable, "busy", "%d requests are worked on already", cap(a.turns))
		p.RetryAfterSeconds = 1
		return p
	}
}

// enter takes a turn for the request.
func (x *exchange) enter() error {
	err := x.api.enter(x.ctx())
	x.in = err == nil
	return err
}

// leave gives the turn to another request, if this one has it.
func (x *exchange) leave() {
	if x.in {
		x.in = false
		<-x.api.turns
	}
}

// space returns the space that is asked for: that of the URL or of the body.
func (x *exchange) space(body string) (string, error) {
	space := x.q.get("space")
	switch {
	case space == "" && body == "":
		return "default", nil
	case space == "":
		return body, nil
	case body != "" && body != space:
		return "", invalid("space", "is %.70q in the body and %.70q in the URL", body, space)
	}
	return space, nil
}
