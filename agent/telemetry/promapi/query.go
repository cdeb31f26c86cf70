package promapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

func (a *api) query(r *http.Request) (answer, error) {
	limit, err := limitParam(r, "limit")
	if err != nil {
		return answer{}, err
	}
	at, err := timeParam(r, "time", time.Now())
	if err != nil {
		return answer{}, err
	}
	ctx, cancel, err := within(r)
	if err != nil {
		return answer{}, err
	}
	defer cancel()
	q, err := a.engine.NewInstantQuery(ctx, a.Queryable, nil, r.Form.Get("query"), at)
	if err != nil {
		return answer{}, badData("query", err)
	}
	return run(ctx, q, limit)
}

func (a *api) queryRange(r *http.Request) (answer, error) {
	limit, err := limitParam(r, "limit")
	if err != nil {
		return answer{}, err
	}
	start, err := mustTime(r, "start")
	if err != nil {
		return answer{}, err
	}
	end, err := mustTime(r, "end")
	if err != nil {
		return answer{}, err
	}
	step, err := durationParam(r, "step")
	switch {
	case err != nil:
		return answer{}, err
	case end.Before(start):
		return answer{}, badData("end", errors.New("end timestamp must not be before start time"))
	case step < time.Millisecond:
		return answer{}, badData("step", errors.New("zero or negative query resolution step widths are not accepted. Try a positive integer"))
	case end.Sub(start)/step > maxPoints:
		return answer{}, &fault{badRequest, errors.New("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")}
	}
	ctx, cancel, err := within(r)
	if err != nil {
		return answer{}, err
	}
	defer cancel()
	q, err := a.engine.NewRangeQuery(ctx, a.Queryable, nil, r.Form.Get("query"), start, end, step)
	if err != nil {
		return answer{}, badData("query", err)
	}
	return run(ctx, q, limit)
}

func mustTime(r *http.Request, name string) (time.Time, error) {
	if r.Form.Get(name) == "" {
		return time.Time{}, badData(name, errors.New("is missing"))
	}
	return timeParam(r, name, time.Time{})
}

// within is the request's context, with its own timeout if that is shorter than ours.
func within(r *http.Request) (context.Context, context.CancelFunc, error) {
	d := Timeout
	if r.Form.Get("timeout") != "" {
		asked, err := durationParam(r, "timeout")
		if err != nil {
			return nil, nil, err
		}
		d = min(d, asked)
	}
	ctx, cancel := context.WithTimeout(r.Context(), d)
	return ctx, cancel, nil
}

// run evaluates q, which is closed once its result is written.
func run(ctx context.Context, q promql.Query, limit int) (answer, error) {
	ans := answer{done: q.Close}
	res := q.Exec(ctx)
	if res.Err != nil {
		return ans, executed(res.Err)
	}
	ans.warnings, _ = res.Warnings.AsStrings(q.String(), 10, 0)
	if limit > 0 {
		var cut bool
		if res.Value, cut = truncated(res.Value, limit); cut {
			ans.warnings = append(ans.warnings, "results truncated due to limit")
		}
	}
	ans.data = func(s *jsoniter.Stream) { writeResult(s, res.Value) }
	return ans, nil
}

func truncated(v parser.Value, limit int) (parser.Value, bool) {
	switch v := v.(type) {
	case promql.Vector:
		if len(v) > limit {
			return v[:limit], true
		}
	case promql.Matrix:
		if len(v) > limit {
			return v[:limit], true
		}
	}
	return v, false
}

// exemplars has none: the store keeps none. Grafana asks.
func (a *api) exemplars(*http.Request) (answer, error) {
	return answer{data: (*jsoniter.Stream).WriteEmptyArray}, nil
}

func (a *api) format(r *http.Request) (answer, error) {
	e, err := a.parser.ParseExpr(r.Form.Get("query"))
	if err != nil {
		return answer{}, badData("query", err)
	}
	return answer{data: func(s *jsoniter.Stream) { s.WriteString(e.Pretty(0)) }}, nil
}
