package sizing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/engramd/engramd/agent/telemetry"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/replay"
)

// A recording of CPU says nothing of latency: where a matrix asks for it, a target has the first while its
// demand fits, and the second while some is cut off. Milliseconds.
const (
	latencyThatFits = 5.0
	latencyThatLags = 100.0
)

// sampled is how often a replayed target is measured, as metrics.interval has it.
const sampled = 15 * time.Second

// A MatrixRule is a matrix policy as agent.yaml has it, for one target.
type MatrixRule struct {
	Policy policy.Policy
	Target policy.Target
	Safety policy.Safety
	Settle time.Duration // of a change, before new evidence counts
}

// Contestant makes the rule one that can be replayed: the metrics of a target that follows the recording are
// written to a store, the matrix's expressions are evaluated over it, and what it proposes passes limits,
// cooldowns and budgets as it would live. What a running agent finds out by watching a change is not
// replayed: nothing is taken back.
func (r MatrixRule) Contestant() Contestant {
	return Contestant{Name: r.Policy.Name, Says: "a matrix of agent.yaml", New: func(o replay.Options) (replay.Policy, error) { return newRuled(r, o) }}
}

// A ruled is one run of a rule.
type ruled struct {
	MatrixRule
	dir    string
	store  *telemetry.Telemetry
	host   float64
	clocks policy.Clocks
	ledger policy.Ledger
	fresh  map[policy.Resource]time.Time
	count  counters
}

// counters are what has been used so far.
type counters struct{ seconds, throttled, periods, throttledPeriods, stalled float64 }

func newRuled(r MatrixRule, o replay.Options) (*ruled, error) {
	dir, err := os.MkdirTemp("", "engramd-replay-*")
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", r.Policy.Name, err)
	}
	t, err := telemetry.New(telemetry.Options{
		Dir: dir, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		Config: telemetry.Config{Interval: sampled, Retention: 100 * 365 * 24 * time.Hour},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("replay %s: %w", r.Policy.Name, err), os.RemoveAll(dir))
	}
	return &ruled{MatrixRule: r, dir: dir, store: t, host: o.Host, fresh: map[policy.Resource]time.Time{}}, nil
}

// Close removes the store.
func (r *ruled) Close() error { return errors.Join(r.store.Close(), os.RemoveAll(r.dir)) }

func (r *ruled) Name() string { return r.Policy.Name }

// Next implements [replay.Policy]: a minute is measured and judged several times, and the last size counts.
func (r *ruled) Next(at time.Time, used, limit float64, throttled bool) (float64, string) {
	size, why := limit, ""
	for n := range int(time.Minute / sampled) {
		now := at.Add(time.Duration(n+1) * sampled)
		if err := r.measure(now, used, limit, throttled); err != nil {
			return limit, err.Error()
		}
		if to, reason, ok := r.decide(now, limit); ok {
			size, why = to, reason
		}
	}
	return size, why
}

// measure writes what the agent would have measured and scraped.
func (r *ruled) measure(now time.Time, used, limit float64, throttled bool) error {
	c, d, latency := &r.count, sampled.Seconds(), latencyThatFits
	c.seconds += used * d
	c.periods += 10 * d // of 100 ms
	if throttled {
		c.throttled, c.throttledPeriods, c.stalled, latency = c.throttled+d, c.throttledPeriods+10*d, c.stalled+d, latencyThatLags
	}
	app := r.store.Storage().Appender(context.Background())
	for _, s := range []struct {
		name  string
		value float64
		label []string
	}{
		{"engramd_target_up", 1, nil},
		{"engramd_target_cpu_seconds_total", c.seconds, nil},
		{"engramd_target_cpu_limit_cores", limit, nil},
		{"engramd_target_cpu_throttled_seconds_total", c.throttled, nil},
		{"engramd_target_cpu_periods_total", c.periods, nil},
		{"engramd_target_cpu_throttled_periods_total", c.throttledPeriods, nil},
		{"engramd_target_cpu_pressure_seconds_total", c.stalled, nil},
		{"engram_cpu_limit_cores", limit, nil},
		{"engram_cpu_utilization_percent", 100 * used / limit, []string{"core", "all"}},
		{"engram_p99_latency_ms", latency, []string{"operation", "spreading"}},
	} {
		l := labels.FromStrings(append([]string{"__name__", s.name, "target", r.Target.Name}, s.label...)...)
		if _, err := app.Append(0, l, now.UnixMilli(), s.value); err != nil {
			return errors.Join(err, app.Rollback())
		}
	}
	return app.Commit()
}

// decide evaluates the matrix, and returns the size it wants now, if nothing holds it.
func (r *ruled) decide(now time.Time, limit float64) (size float64, why string, ok bool) {
	readings := map[string]policy.Reading{}
	for signal, expr := range r.Policy.Matrix.Signals {
		reading := r.store.Read(context.Background(), expr, now)
		reading.Signal = signal
		readings[signal] = reading
	}
	sizes := policy.Size{policy.CPU: policy.Amount(int64(limit * 1000))}
	var e policy.Evaluation
	r.clocks, e = r.Policy.Evaluate(r.Target.Name, r.clocks, policy.Inputs{Now: now, Readings: readings, FreshAt: r.fresh, Sizes: sizes})
	for _, d := range policy.Decide(policy.Situation{
		Now: now, Target: r.Target, AgentMode: policy.Auto, Sizes: sizes, Owners: map[policy.Resource]string{policy.CPU: "replay"},
		Host:        policy.Host{Capacity: policy.Amounts{policy.CPU: int64(r.host * 1000)}, Reserve: policy.Amounts{policy.CPU: 0}, OtherTargets: policy.Amounts{policy.CPU: 0}},
		Evaluations: []policy.Evaluation{e}, Ledger: r.ledger, Safety: r.Safety,
	}) {
		to, limited := d.To.Amount()
		if d.Change.Resource != policy.CPU || d.Refused != "" || d.Held != nil || !limited {
			continue
		}
		r.ledger = r.ledger.Spend(now, policy.AccountOf(d), "").Changed(now, policy.CPU, d.Direction)
		r.fresh[policy.CPU] = now.Add(r.Settle)
		return float64(to) / 1000, d.Why, true
	}
	return 0, "", false
}
