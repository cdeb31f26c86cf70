package sizing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/engramd/engramd/node/api"
)

// HTTPRequest is the load that repeats one request. An answer counts if its status is below 400.
func HTTPRequest(client *http.Client, method, url string, header http.Header, body []byte) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header = header.Clone()
		if host := header.Get("Host"); host != "" { // the client takes it from here alone
			req.Host = host
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if resp.StatusCode >= http.StatusBadRequest {
			return fmt.Errorf("%s %s answered %s", method, url, resp.Status)
		}
		return nil
	}
}

// seeds is how many memories of a node NodeRequest starts from.
const seeds = 1000

// NodeRequest is the load of a memory node that counts for its scaling: activation that spreads from one
// memory or another.
func NodeRequest(ctx context.Context, c *api.Client, space string) (func(context.Context) error, error) {
	list, err := c.List(ctx, space, api.Filter{}, "", seeds, "none")
	if err != nil {
		return nil, err
	}
	if len(list.Memories) == 0 {
		return nil, errors.New("the node has no memories to spread from: import some first (engramd node import)")
	}
	return func(ctx context.Context) error {
		seed := list.Memories[rand.IntN(len(list.Memories))].ID
		_, err := c.Spread(ctx, api.SpreadRequest{Space: space, Seeds: []api.Seed{{ID: seed}}})
		return err
	}, nil
}

// CPUFromMetrics reads the CPU of whoever serves Prometheus metrics: a memory node's, else that of any
// process with the standard metric. cores is how many it may use, where the metrics do not say; 0 is not known.
func CPUFromMetrics(client *http.Client, url string, cores float64) func(context.Context) (CPUReading, error) {
	return func(ctx context.Context) (CPUReading, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return CPUReading{}, err
		}
		req.Header.Set("Accept", "text/plain; version=0.0.4")
		resp, err := client.Do(req)
		if err != nil {
			return CPUReading{}, err
		}
		defer resp.Body.Close()
		at := time.Now()
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(io.LimitReader(resp.Body, maxMetrics))
		if err != nil {
			return CPUReading{}, fmt.Errorf("%s is no page of Prometheus metrics: %w", url, err)
		}
		r := CPUReading{At: at, Cores: cores}
		one := func(name string) (float64, bool) {
			f := families[name]
			if f == nil || len(f.GetMetric()) != 1 {
				return 0, false
			}
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue(), true
		}
		if limit, ok := one("engram_cpu_limit_cores"); ok && cores == 0 {
			r.Cores = limit
		}
		seconds, ok := one("engram_cpu_seconds_total")
		if !ok {
			seconds, ok = one("process_cpu_seconds_total")
		}
		if r.Seconds = seconds; !ok {
			return r, fmt.Errorf("%s has neither engram_cpu_seconds_total nor process_cpu_seconds_total", url)
		}
		if r.Cores == 0 {
			return r, fmt.Errorf("%s does not say how many cores may be used: give --cores", url)
		}
		return r, nil
	}
}

// maxMetrics bounds a page of metrics.
const maxMetrics = 64 << 20

// An Instant answers PromQL at one moment.
type Instant interface {
	Query(ctx context.Context, query string, at time.Time, opts ...promv1.Option) (model.Value, promv1.Warnings, error)
}

// CPUFromAgent reads the CPU of a target as its agent measured it last.
func CPUFromAgent(q Instant, target string) func(context.Context) (CPUReading, error) {
	return func(ctx context.Context) (CPUReading, error) {
		var r CPUReading
		var at float64
		for _, one := range []struct {
			expr string
			into *float64
		}{
			{"sum(engramd_target_cpu_seconds_total{target=%q})", &r.Seconds},
			{"max(timestamp(engramd_target_cpu_seconds_total{target=%q}))", &at},
			{"sum(engramd_target_cpu_limit_cores{target=%q})", &r.Cores},
		} {
			v, _, err := q.Query(ctx, fmt.Sprintf(one.expr, target), time.Now())
			if err != nil {
				return r, err
			}
			vector, ok := v.(model.Vector)
			if !ok || len(vector) != 1 {
				return r, fmt.Errorf("the agent measures no target %q", target)
			}
			*one.into = float64(vector[0].Value)
		}
		r.At = time.UnixMilli(int64(at * 1000))
		return r, nil
	}
}
