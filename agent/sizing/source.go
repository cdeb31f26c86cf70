package sizing

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/replay"
)

// CPUDemand is what a target used, in cores: the worst of its parts. A limit that cut demand off is in it:
// what was not given was not measured.
func CPUDemand(target string) string {
	return fmt.Sprintf("max by (target) (rate(engramd_target_cpu_seconds_total{target=%q}[2m]))", target)
}

// Prometheus is a server as a source of recordings.
func Prometheus(address string) (Querier, error) {
	c, err := api.NewClient(api.Config{Address: address})
	if err != nil {
		return nil, fmt.Errorf("prometheus server %q: %w", address, err)
	}
	if u := c.URL("", nil); u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("prometheus server %q: want an address such as http://127.0.0.1:9090", address)
	}
	return promv1.NewAPI(c), nil
}

// Recorded asks for what an expression, in cores, was over a period. It must have one series; what is not
// known is held from before, as in a file.
func Recorded(ctx context.Context, q Querier, name, expr string, to time.Time, period time.Duration) (replay.Trace, error) {
	if period < LeastPeriod {
		return replay.Trace{}, fmt.Errorf("a period of %s: want %s at least", policy.FormatDuration(period), policy.FormatDuration(LeastPeriod))
	}
	all, err := histories(ctx, q, expr, to, period)
	if err != nil {
		return replay.Trace{}, err
	}
	if len(all) != 1 {
		return replay.Trace{}, fmt.Errorf("%s has %d series over the last %s; want one", expr, len(all), policy.FormatDuration(period))
	}
	for _, h := range all {
		return h.trace(name)
	}
	return replay.Trace{}, nil
}

// trace lays a history out by minutes, from its first value on.
func (h History) trace(name string) (replay.Trace, error) {
	t := replay.Trace{Name: name}
	gaps := 0
	for i, v := range h.Values {
		switch known := !math.IsNaN(v); {
		case !known && len(t.Demand) == 0:
			continue
		case !known:
			gaps++
			v = t.Demand[len(t.Demand)-1]
		case v < 0:
			return t, fmt.Errorf("%s: a demand of %v is negative", name, v)
		case len(t.Demand) == 0:
			t.Start = h.From.Add(time.Duration(i) * h.Step)
		}
		for range int(h.Step / time.Minute) {
			t.Demand = append(t.Demand, v)
		}
	}
	if gaps > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("%d of %d values are missing, the demand before them is held", gaps, len(h.Values)))
	}
	if len(t.Demand) == 0 {
		return t, fmt.Errorf("%s: nothing was recorded", name)
	}
	return t, nil
}
