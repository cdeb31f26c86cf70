package api

import (
	"context"
	"net/http"
	"time"

	"github.com/engramd/engramd/policy/diagnose"
)

// A DiagnosisQuery says what is to be looked at: one target, or with "" all, over the last so long.
type DiagnosisQuery struct {
	Target string
	Since  time.Time // zero: the server's default
}

// DiagnosisView is what holds a target back, by what was measured between two moments.
type DiagnosisView struct {
	Target string    `json:"target"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	diagnose.Report
}

// A Diagnoser looks for bottlenecks.
type Diagnoser interface {
	// Diagnose looks now for what holds one target back, or with "" each; it changes nothing.
	Diagnose(ctx context.Context, q DiagnosisQuery) ([]DiagnosisView, error)
}

func (s *Server) diagnose(ctx context.Context, r *http.Request) ([]DiagnosisView, error) {
	q, err := parseQuery(r.URL.RawQuery, "target", "since")
	if err != nil {
		return nil, err
	}
	since, _, err := q.bounds(time.Now())
	if err != nil {
		return nil, err
	}
	return s.backend.Diagnose(ctx, DiagnosisQuery{Target: q.Get("target"), Since: since})
}

// Diagnose asks what holds a target back, or with "" each.
func (c *Client) Diagnose(ctx context.Context, q DiagnosisQuery) ([]DiagnosisView, error) {
	return get[[]DiagnosisView](ctx, c, "/diagnose", values("target", q.Target, "since", timeText(q.Since)))
}
