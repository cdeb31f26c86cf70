package actuators

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/engramd/engramd/policy"
)

// How long a platform may take to show what it was told, and how often it is asked.
const (
	readBackFor   = 10 * time.Second
	readBackEvery = 500 * time.Millisecond
	healthEvery   = time.Second
	healthTimeout = 2 * time.Minute
)

// verify reads back what holds now, and brings a restarted target back into service.
func (r *run) verify(ctx context.Context) stage {
	if err := r.enter(Verifying, ""); err != nil {
		r.unjournalled(err)
		return r.takeBack("the journal cannot be written, so the change was not kept")
	}
	lasting, done := r.inGrace(ctx)
	defer done()
	var st State
	var next stage
	_ = r.timed("verify", "", "read back what holds now", func() error { // the next stage's reason says more
		if st, next = r.readBack(ctx, lasting); next != nil {
			return errors.New("it does not hold")
		}
		return nil
	})
	if next != nil {
		return next
	}
	if ctx.Err() != nil {
		return r.stopped
	}
	if r.a.Plan.Strategy == policy.Restart {
		if err := r.backInService(ctx); err != nil {
			if ctx.Err() != nil {
				return r.stopped
			}
			return r.takeBack(err.Error())
		}
		if now, err := r.observe(ctx, r.x.cfg.RetryFor); err == nil {
			st = now
		}
	}
	return r.startValidation("", func(a *Action) {
		if left := r.counted(st); len(left.Parts) > 0 {
			a.Parts = PartIDsOf(left)
		}
	})
}

// readBack wants every part at To: effective decides. A difference is drift, applied again once.
func (r *run) readBack(ctx, lasting context.Context) (State, stage) {
	for again := false; ; again = true {
		st, why, err := r.await(lasting, r.a.To)
		switch {
		case err == nil && why == "":
			r.step("verify", r.shown(st))
			return st, nil
		case lasting.Err() != nil:
			return st, r.stopped
		case err != nil:
			return st, r.takeBack(fmt.Sprintf("the change could not be read back: %v", err))
		case again:
			return st, r.takeBack(why + ", also after it was applied again")
		}
		r.event(policy.EventDrift, policy.Warning, why+": applied again", nil)
		if next := r.carryOut(lasting); next != nil {
			return st, next
		}
	}
}

// await observes until every part is at size, or says what is not.
func (r *run) await(ctx context.Context, size policy.Quantity) (st State, why string, err error) {
	for began := time.Now(); ; {
		st, err = r.observe(ctx, r.x.cfg.RetryFor)
		if err != nil {
			return st, "", err
		}
		if why = r.differs(st, size); why == "" || time.Since(began) >= readBackFor {
			return st, why, nil
		}
		if err := sleep(ctx, readBackEvery); err != nil {
			return st, why, err
		}
	}
}

// differs says which part is not at size, "" if all are.
func (r *run) differs(st State, size policy.Quantity) string {
	res := r.a.Resource
	if res.IsOperation() {
		return ""
	}
	if len(st.Parts) == 0 {
		return "the platform shows no part of " + r.a.TargetName
	}
	for _, p := range r.counted(st).Parts {
		got, ok := effective(p, res)
		switch {
		case !ok:
			return fmt.Sprintf("the platform shows no %s for %s", res, p.Name)
		case !Same(res, got, size):
			return fmt.Sprintf("%s of %s is %s, not %s", res, p.Name, res.Format(got), res.Format(size))
		}
		if told, ok := told(p, res); ok && !Same(res, told, size) {
			return fmt.Sprintf("%s of %s is %s, but is configured as %s", res, p.Name, res.Format(got), res.Format(told))
		}
	}
	return ""
}

// shown writes the effective size of each part.
func (r *run) shown(st State) string {
	var parts []string
	for _, p := range r.counted(st).Parts {
		if got, ok := effective(p, r.a.Resource); ok {
			parts = append(parts, fmt.Sprintf("%s has %s %s", p.Name, r.a.Resource, r.a.Resource.Format(got)))
		}
	}
	if len(parts) == 0 && r.fluid() {
		return "every part was replaced meanwhile"
	}
	return strings.Join(parts, ", ")
}

// backInService waits until a restarted target is healthy, lets work in again and runs the smoke
// tests.
func (r *run) backInService(ctx context.Context) error {
	if err := r.timed("health", "", "wait until it is healthy", func() error { return r.awaitHealth(ctx) }); err != nil {
		return err
	}
	if err := r.maintenanceOff(ctx); err != nil {
		return err
	}
	if len(r.a.Procedure.Smoke) == 0 {
		return nil
	}
	return r.timed("smoke", "", "smoke tests", func() error { return r.smoke(ctx) })
}

// awaitHealth waits until every part runs and is healthy, and the health request is answered with
// 2xx, also in maintenance.
func (r *run) awaitHealth(ctx context.Context) error {
	timeout := healthTimeout
	if h := r.a.Procedure.Health; h != nil && h.Timeout > 0 {
		timeout = h.Timeout
	}
	down := 0
	for began := time.Now(); ; {
		st, err := r.observe(ctx, r.x.cfg.RetryFor)
		if err != nil {
			return err
		}
		if err = r.unhealthy(ctx, st); err == nil {
			r.step("health", "healthy")
			return nil
		}
		if down = downCount(st, down); down >= 3 && !r.fluid() {
			return fmt.Errorf("crashed on start: %w", err)
		}
		if time.Since(began) >= timeout {
			return fmt.Errorf("not healthy within %s: %w", policy.FormatDuration(timeout), err)
		}
		if err := sleep(ctx, healthEvery); err != nil {
			return err
		}
	}
}

// downCount counts the looks in a row at which a part did not run.
func downCount(st State, before int) int {
	for _, p := range st.Parts {
		if !p.Running {
			return before + 1
		}
	}
	return 0
}

// unhealthy says what is wrong with a target right now.
func (r *run) unhealthy(ctx context.Context, st State) error {
	for _, p := range st.Parts {
		switch {
		case !p.Running:
			return fmt.Errorf("%s is not running", p.Name)
		case p.Healthy != "" && p.Healthy != "healthy":
			return fmt.Errorf("the health check of %s says %s", p.Name, p.Healthy)
		}
	}
	return r.healthyNow(ctx)
}

// healthyNow makes the health request once.
func (r *run) healthyNow(ctx context.Context) error {
	if r.a.Procedure.Health == nil {
		return nil
	}
	_, err := r.x.expect(ctx, *r.a.Procedure.Health, nil)
	return err
}
