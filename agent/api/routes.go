package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// prefix is where everything of ours is.
const prefix = "/engramd/v1"

// A route is one method on one path.
type route struct {
	method, path string
	needs        Role
	handle       http.HandlerFunc
}

// routes lists the whole API.
func (s *Server) routes(m Mounts) http.Handler {
	b := s.backend
	table := []route{
		{"GET", "/health", Nobody, s.healthy},
		{"GET", "/-/healthy", Nobody, s.healthy},
		{"GET", "/-/ready", Nobody, s.ready},
		{"POST", "/-/reload", Admin, answer(s, func(ctx context.Context, _ *http.Request) (ReloadView, error) { return b.Reload(ctx) })},

		{"GET", prefix + "/status", Read, answer(s, func(ctx context.Context, _ *http.Request) (Status, error) { return b.Status(ctx) })},
		{"GET", prefix + "/plan", Read, answer(s, s.plan)},
		{"GET", prefix + "/decisions", Read, answer(s, s.decisions)},
		{"GET", prefix + "/decisions/{id}", Read, answer(s, s.explain)},
		{"GET", prefix + "/diagnose", Read, answer(s, s.diagnose)},
		{"GET", prefix + "/actions", Read, answer(s, s.actions)},
		{"GET", prefix + "/actions/{id}", Read, answer(s, s.explain)},

		{"POST", prefix + "/actions/{id}/approve", Approve, aboutID(s, b.Approve)},
		{"POST", prefix + "/actions/{id}/reject", Approve, aboutID(s, b.Reject)},
		{"POST", prefix + "/actions/{id}/cancel", Approve, aboutID(s, b.Cancel)},

		{"POST", prefix + "/pause", Admin, command(s, b.Pause)},
		{"POST", prefix + "/resume", Admin, command(s, nothing(b.Resume))},
		{"POST", prefix + "/freeze", Admin, command(s, b.Freeze)},
		{"POST", prefix + "/unfreeze", Admin, command(s, nothing(b.Unfreeze))},
		{"POST", prefix + "/release", Admin, command(s, b.Release)},
	}
	mux := http.NewServeMux()
	methods := map[string][]string{}
	for _, r := range table {
		mux.Handle(r.method+" "+r.path, s.only(r.needs, r.handle))
		methods[r.path] = append(methods[r.path], r.method)
	}
	for path, allowed := range methods {
		mux.HandleFunc(path, wrongMethod(allowed))
	}
	mux.HandleFunc(prefix+"/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, NotFound("there is no %s %.100s", r.Method, r.URL.Path))
	})
	s.mount(mux, m)
	return mux
}

// mount adds what belongs to others.
func (s *Server) mount(mux *http.ServeMux, m Mounts) {
	if m.Metrics != nil {
		mux.Handle("GET /metrics", s.only(Read, m.Metrics))
	}
	if m.Prometheus != nil {
		mux.Handle("/api/v1/", s.only(Read, m.Prometheus))
		mux.Handle("/api/v1/admin/", s.only(Admin, m.Prometheus)) // deletes series
	}
	if m.Console != nil {
		// The page holds no data; what it asks for does.
		mux.Handle("/", readOnly(m.Console))
	}
}

// readOnly lets GET and HEAD through.
func readOnly(next http.Handler) http.Handler {
	refuse := wrongMethod([]string{http.MethodGet})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		refuse(w, r)
	})
}

// Probes serves /health, /-/healthy, /-/ready and /metrics, and nothing that changes anything: for
// listen.metrics, where probes and scrapers come without a token.
func (s *Server) Probes(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", s.healthy)
	mux.HandleFunc("GET /-/healthy", s.healthy)
	mux.HandleFunc("GET /-/ready", s.ready)
	mux.Handle("GET /metrics", metrics)
	return http.MaxBytesHandler(mux, maxBody)
}

// A callerKey finds the caller in a request's context.
type callerKey struct{}

// wrongMethod answers a method that a path does not have.
func wrongMethod(allowed []string) http.HandlerFunc {
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	list := strings.Join(allowed, ", ")
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", list)
		writeProblem(w, problem(http.StatusMethodNotAllowed, "method", "%s takes %s, not %.20s", r.URL.Path, list, r.Method))
	}
}
