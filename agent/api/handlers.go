package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/engramd/engramd/policy"
	"github.com/prometheus/common/model"
)

// patience bounds one call of the backend.
const patience = 30 * time.Second

// How many decisions or actions a list has.
const (
	defaultLimit = 50
	maxLimit     = 1000
)

func (s *Server) healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("engramd is healthy\n"))
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, done := context.WithTimeout(r.Context(), patience)
	defer done()
	if err := s.backend.Ready(ctx); err != nil {
		s.refuse(w, r, Unavailable("engramd is not ready: %v", err))
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("engramd is ready\n"))
}

func (s *Server) plan(ctx context.Context, r *http.Request) ([]PlanView, error) {
	q, err := parseQuery(r.URL.RawQuery, "target")
	if err != nil {
		return nil, err
	}
	return s.backend.Plan(ctx, q.Get("target"))
}

func (s *Server) decisions(ctx context.Context, r *http.Request) ([]policy.Decision, error) {
	q, err := parseQuery(r.URL.RawQuery, "target", "policy", "resource", "since", "limit")
	if err != nil {
		return nil, err
	}
	since, limit, err := q.bounds(time.Now())
	if err != nil {
		return nil, err
	}
	return s.backend.Decisions(ctx, DecisionQuery{
		Target: q.Get("target"), Policy: q.Get("policy"), Resource: policy.Resource(q.Get("resource")), Since: since, Limit: limit,
	})
}

func (s *Server) actions(ctx context.Context, r *http.Request) ([]ActionView, error) {
	q, err := parseQuery(r.URL.RawQuery, "target", "resource", "open", "since", "limit")
	if err != nil {
		return nil, err
	}
	since, limit, err := q.bounds(time.Now())
	if err != nil {
		return nil, err
	}
	open := false
	if text := q.Get("open"); text != "" {
		if open, err = strconv.ParseBool(text); err != nil {
			return nil, Invalid("open=%.20q: want true or false", text)
		}
	}
	return s.backend.Actions(ctx, ActionQuery{
		Target: q.Get("target"), Resource: policy.Resource(q.Get("resource")), Open: open, Since: since, Limit: limit,
	})
}

func (s *Server) explain(ctx context.Context, r *http.Request) (Explanation, error) {
	return s.backend.Explain(ctx, r.PathValue("id"))
}

// A query is the parameters of a URL.
type query struct{ url.Values }

// parseQuery reads parameters and refuses those that nothing reads: a typing error must not widen
// what is asked for.
func parseQuery(raw string, known ...string) (query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return query{}, Invalid("query: %v", err)
	}
	for name, v := range values {
		if !slices.Contains(known, name) {
			return query{}, Invalid("parameter %.40q is not known; there are %v", name, known)
		}
		if len(v) > 1 {
			return query{}, Invalid("parameter %s is given %d times", name, len(v))
		}
	}
	return query{values}, nil
}

// bounds reads since (a time, or how long ago) and limit.
func (q query) bounds(now time.Time) (since time.Time, limit int, err error) {
	if text := q.Get("since"); text != "" {
		if ago, e := model.ParseDuration(text); e == nil {
			since = now.Add(-time.Duration(ago))
		} else if since, err = time.Parse(time.RFC3339, text); err != nil {
			return since, 0, Invalid("since=%.40q: want how long ago, as 2h or 7d, or a time as 2006-01-02T15:04:05Z", text)
		}
	}
	text := q.Get("limit")
	if text == "" {
		return since, defaultLimit, nil
	}
	if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxLimit {
		return since, 0, Invalid("limit=%.20q: want 1 to %d", text, maxLimit)
	}
	return since, limit, nil
}

// answer makes a handler that writes what f returns.
func answer[T any](s *Server, f func(context.Context, *http.Request) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, done := context.WithTimeout(r.Context(), patience)
		defer done()
		v, err := f(ctx, r)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, "application/json", v)
	}
}

// asked is a request that says who asks.
type asked[T any] interface {
	*T
	asker() *Asked
}

// command makes a handler that reads a body and does it.
func command[T, V any, P asked[T]](s *Server, do func(context.Context, T) (V, error)) http.HandlerFunc {
	return answer(s, func(ctx context.Context, r *http.Request) (V, error) {
		in, err := read[T, P](r)
		if err != nil {
			var none V
			return none, err
		}
		return do(ctx, in)
	})
}

// aboutID is command for what concerns one action.
func aboutID[T, V any, P asked[T]](s *Server, do func(context.Context, string, T) (V, error)) http.HandlerFunc {
	return answer(s, func(ctx context.Context, r *http.Request) (V, error) {
		in, err := read[T, P](r)
		if err != nil {
			var none V
			return none, err
		}
		return do(ctx, r.PathValue("id"), in)
	})
}

// Done is the answer to what has nothing to show.
type Done struct {
	Done bool `json:"done"`
}

// nothing turns a call without a result into one with Done.
func nothing[T any](do func(context.Context, T) error) func(context.Context, T) (Done, error) {
	return func(ctx context.Context, in T) (Done, error) {
		if err := do(ctx, in); err != nil {
			return Done{}, err
		}
		return Done{Done: true}, nil
	}
}

// read decodes a request and enters who asks: whoever proved it, else whom the client names.
func read[T any, P asked[T]](r *http.Request) (T, error) {
	var in T
	if err := decode(r, &in); err != nil {
		return in, err
	}
	by := &P(&in).asker().By
	if who, ok := r.Context().Value(callerKey{}).(caller); ok && who.name != "" {
		*by = who.name
	}
	if len(*by) > maxText {
		return in, Invalid("by is longer than %d bytes", maxText)
	}
	if *by == "" {
		*by = "somebody on " + remote(r)
	}
	if v, ok := any(P(&in)).(interface{ validate() error }); ok {
		return in, v.validate()
	}
	return in, nil
}

// remote says where a request comes from.
func remote(r *http.Request) string {
	if r.RemoteAddr == "" || r.RemoteAddr == "@" {
		return "this machine"
	}
	return fmt.Sprintf("%.60s", r.RemoteAddr)
}
