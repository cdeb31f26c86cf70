package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
)

const (
	maxBody = 64 << 10 // of a request of ours
	// maxQuery is what Prometheus' API may get by POST: a long PromQL expression.
	maxQuery = 1 << 20
	// maxText bounds a reason and a name.
	maxText = 1000
)

// limited puts around everything what every request must pass.
func (s *Server) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.recovered(w, r)
		r.Body = http.MaxBytesReader(w, r.Body, maxQuery)
		if s.enter(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

// recovered answers for a handler that panicked: one bad request must not end an agent that has an
// action under way.
func (g *Gate) recovered(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p) // the server's own way to cut an answer short
	}
	g.log.Error("request panicked", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	writeProblem(w, problem(http.StatusInternalServerError, "internal", "engramd failed to answer; its log says why"))
}

// decode reads a JSON body strictly; an empty one is the zero value.
func decode(r *http.Request, into any) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return Invalid("read the body: %v", err)
	}
	if len(body) > maxBody {
		return problem(http.StatusRequestEntityTooLarge, "too-large", "the body is larger than %d bytes", maxBody)
	}
	if len(body) == 0 {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		// A web form cannot send this type without asking first, so it is one more lock.
		return problem(http.StatusUnsupportedMediaType, "media-type", "want a body of type application/json").
			WithRemedy("send Content-Type: application/json")
	}
	return decodeJSON(body, into)
}

// refuse answers with a problem: err itself if it is one.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p, known := errors.AsType[*Problem](err)
	switch {
	case known:
	case errors.Is(err, context.DeadlineExceeded):
		p = Unavailable("%s took longer than %v", r.URL.Path, patience)
	case errors.Is(err, context.Canceled):
		p = Unavailable("engramd is stopping")
	default:
		g.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		p = problem(http.StatusInternalServerError, "internal", "%v", err)
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="engramd"`)
	}
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	writeProblem(w, p)
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	writeJSON(w, p.Status, "application/problem+json", p)
}

// writeJSON writes v indented: people read this with curl.
func writeJSON(w http.ResponseWriter, status int, kind string, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		// A value of ours that JSON cannot say (an infinite reading) is a fault of ours.
		status, kind = http.StatusInternalServerError, "application/problem+json"
		body = []byte(`{"type":"urn:engramd:problem:internal","title":"Internal Server Error","status":500,"detail":"the answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client may be gone
}
