package promapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
)

// Bounds of a request and of an answer.
const (
	maxBody       = 1 << 20
	maxPoints     = 11_000 // of one series, as in Prometheus
	maxSamples    = 2_000_000
	maxSeries     = 10_000 // of one answer
	maxConcurrent = 4
	queueTime     = 10 * time.Second
)

// Timeout bounds the evaluation of one query; a request may ask for less.
const Timeout = 30 * time.Second

// Options are what the API shows.
type Options struct {
	Queryable storage.Queryable
	// Groups are the rule groups; it may be nil, and may return none.
	Groups func() []*rules.Group
	// Metadata describes the metrics by family; it may be nil.
	Metadata func() map[string]Metadata
	// Interval is the step of a subquery that names none.
	Interval time.Duration
	// Version is engramd's own. Clients are told the version of Prometheus whose API this is.
	Version string
	Log     *slog.Logger
}

// Metadata is what is known of one metric family.
type Metadata struct {
	Type string `json:"type"`
	Help string `json:"help"`
	Unit string `json:"unit"`
}

type api struct {
	Options
	engine *promql.Engine
	parser parser.Parser
	slots  chan struct{}
}

// New returns the handler of everything below /api/v1/.
func New(o Options) http.Handler {
	p := parser.NewParser(parser.Options{})
	a := &api{Options: o, parser: p, slots: make(chan struct{}, maxConcurrent), engine: promql.NewEngine(promql.EngineOpts{
		Logger:                   slog.New(slog.DiscardHandler),
		MaxSamples:               maxSamples,
		Timeout:                  Timeout,
		NoStepSubqueryIntervalFn: func(int64) int64 { return o.Interval.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   p,
	})}
	mux := http.NewServeMux()
	for path, f := range map[string]endpoint{
		"/api/v1/query":               a.query,
		"/api/v1/query_range":         a.queryRange,
		"/api/v1/series":              a.series,
		"/api/v1/labels":              a.labelNames,
		"/api/v1/label/{name}/values": a.labelValues,
		"/api/v1/rules":               a.rules,
		"/api/v1/alerts":              a.alerts,
		"/api/v1/metadata":            a.metadata,
		"/api/v1/query_exemplars":     a.exemplars,
		"/api/v1/format_query":        a.format,
		"/api/v1/status/buildinfo":    a.buildInfo,
	} {
		mux.Handle("GET "+path, a.serve(f))
		mux.Handle("POST "+path, a.serve(f))
	}
	mux.Handle("/", a.serve(func(r *http.Request) (answer, error) {
		return answer{}, &fault{notFound, fmt.Errorf("no %s %s in this API", r.Method, r.URL.Path)}
	}))
	return mux
}

// An endpoint answers one request. Its answer is encoded before done is called.
type endpoint func(r *http.Request) (answer, error)

type answer struct {
	data     func(*jsoniter.Stream) // nil: null
	warnings []string
	done     func()
}

// serve bounds the requests that are worked on at once, and writes the answer in Prometheus' form.
func (a *api) serve(f endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if err := r.ParseForm(); err != nil {
			a.fail(w, badData("form", err))
			return
		}
		wait := time.NewTimer(queueTime)
		defer wait.Stop()
		select {
		case a.slots <- struct{}{}:
			defer func() { <-a.slots }()
		case <-wait.C:
			a.fail(w, &fault{unavailable, fmt.Errorf("%d requests are being answered already: try again", maxConcurrent)})
			return
		case <-r.Context().Done():
			return
		}
		ans, err := f(r)
		if ans.done != nil {
			defer ans.done()
		}
		if err != nil {
			a.fail(w, err)
			return
		}
		a.write(w, http.StatusOK, ans)
	})
}

func (a *api) write(w http.ResponseWriter, code int, ans answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	s := jsoniter.NewStream(jsoniter.ConfigCompatibleWithStandardLibrary, w, 32<<10)
	s.WriteObjectStart()
	s.WriteObjectField("status")
	s.WriteString("success")
	s.WriteMore()
	s.WriteObjectField("data")
	if ans.data == nil {
		s.WriteNil()
	} else {
		ans.data(s)
	}
	if len(ans.warnings) > 0 {
		s.WriteMore()
		s.WriteObjectField("warnings")
		s.WriteVal(ans.warnings)
	}
	s.WriteObjectEnd()
	if err := s.Flush(); err != nil {
		a.Log.Debug("the client of a query is gone", "error", err)
	}
}

// A fault is an error with its kind in Prometheus' terms.
type fault struct {
	kind kind
	err  error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

type kind struct {
	name string
	code int
}

var (
	badRequest  = kind{"bad_data", http.StatusBadRequest}
	execution   = kind{"execution", http.StatusUnprocessableEntity}
	timedOut    = kind{"timeout", http.StatusServiceUnavailable}
	canceled    = kind{"canceled", 499}
	internal    = kind{"internal", http.StatusInternalServerError}
	unavailable = kind{"unavailable", http.StatusServiceUnavailable}
	notFound    = kind{"not_found", http.StatusNotFound}
)

func badData(param string, err error) error {
	return &fault{badRequest, fmt.Errorf("invalid parameter %q: %w", param, err)}
}

// executed sorts the errors of the engine.
func executed(err error) error {
	var (
		cancel promql.ErrQueryCanceled
		late   promql.ErrQueryTimeout
		stored promql.ErrStorage
	)
	switch {
	case errors.As(err, &cancel):
		return &fault{canceled, err}
	case errors.As(err, &late):
		return &fault{timedOut, err}
	case errors.As(err, &stored):
		return &fault{internal, err}
	}
	return &fault{execution, err}
}

func (a *api) fail(w http.ResponseWriter, err error) {
	f, ok := errors.AsType[*fault](err)
	if !ok {
		f = &fault{internal, err}
	}
	b, err := jsoniter.ConfigCompatibleWithStandardLibrary.Marshal(struct {
		Status string `json:"status"`
		Type   string `json:"errorType"`
		Error  string `json:"error"`
	}{"error", f.kind.name, f.err.Error()})
	if err != nil {
		http.Error(w, f.Error(), f.kind.code)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.kind.code)
	if _, err := w.Write(b); err != nil {
		a.Log.Debug("the client of a query is gone", "error", err)
	}
}
