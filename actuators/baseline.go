package actuators

import (
	"context"
	"time"
)

// lookTimeout bounds one measurement or expression.
const lookTimeout = 10 * time.Second

// ensureDefaults fills what a journalled procedure of an older agent may lack.
func (v Validation) ensureDefaults() Validation {
	setDefault := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	setDefault(&v.Settle, 30*time.Second)
	setDefault(&v.Every, 15*time.Second)
	setDefault(&v.Duration, 30*time.Minute)
	if v.Checks <= 0 {
		v.Checks = 3
	}
	if v.Tolerance <= 0 {
		v.Tolerance = 0.1
	}
	v.Duration = max(v.Duration, v.Settle+v.stretch())
	return v
}

// stretch is how long the effect is measured: as long before the change as after it.
func (v Validation) stretch() time.Duration { return time.Duration(v.Checks) * v.Every }

// measureBaseline takes what the target did right before the change. A growth that follows a
// superseded one keeps the baseline of the first.
func (r *run) measureBaseline(ctx context.Context) {
	if r.a.Baseline != nil {
		return
	}
	now, length := time.Now(), r.a.Procedure.Validation.ensureDefaults().stretch()
	b := r.measure(ctx, now.Add(-length), now)
	if r.a.Procedure.Health != nil {
		healthy := r.healthyNow(ctx) == nil
		b.Healthy = &healthy
	}
	for _, line := range r.a.Procedure.Require {
		b.Require = append(b.Require, r.holdsNow(ctx, line))
	}
	next := r.a
	next.Baseline = &b
	r.set(next) // journalled with the next state
}

// measure takes what the target did over (from, to].
func (r *run) measure(ctx context.Context, from, to time.Time) Baseline {
	b := Baseline{At: to, Length: to.Sub(from)}
	if r.x.cfg.Meter != nil {
		b.Usage = r.x.cfg.Meter.Used(r.a.TargetName, from, to)
	}
	b.P99 = r.mean(ctx, r.a.Procedure.P99, from, to)
	b.ErrorRate = r.mean(ctx, r.a.Procedure.ErrorRate, from, to)
	return b
}

// mean averages an expression, nil if there is none or it is unknown.
func (r *run) mean(ctx context.Context, expr string, from, to time.Time) *float64 {
	if expr == "" || r.x.cfg.Querier == nil {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	got := r.x.cfg.Querier.Mean(bounded, expr, from, to)
	if !got.Known {
		return nil
	}
	return &got.Value
}

// read evaluates an expression now.
func (r *run) read(ctx context.Context, expr string) (float64, time.Time, bool) {
	if r.x.cfg.Querier == nil {
		return 0, time.Time{}, false
	}
	bounded, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	got := r.x.cfg.Querier.Read(bounded, expr, time.Now())
	return got.Value, got.At, got.Known
}
