package actuators

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/engramd/engramd/policy"
)

// The pauses between two tries grow from the first to the longest.
const (
	firstPause   = 500 * time.Millisecond
	longestPause = 30 * time.Second
)

func longer(pause time.Duration) time.Duration { return min(2*pause, longestPause) }

// sleep waits for d, or until ctx is over.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// call makes one call of the driver, bounded in time. No answer in time says nothing of whether the
// call had its effect, so it counts as transient: steps can be done again.
func (r *run) call(ctx context.Context, fn func(context.Context) error) error {
	bound := r.x.cfg.CallTimeout + r.a.Procedure.StopTimeout
	bounded, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	err := fn(bounded)
	if err != nil && ctx.Err() == nil && bounded.Err() != nil {
		return fmt.Errorf("%w: no answer within %s: %w", ErrTransient, policy.FormatDuration(bound), err)
	}
	return err
}

// retry makes a call again while it fails with ErrTransient, with growing pauses, for at most bound
// (0: as long as ctx lives). What it is waiting for is told once.
func (r *run) retry(ctx context.Context, what string, bound time.Duration, fn func(context.Context) error) error {
	began, pause := time.Now(), firstPause
	for told := false; ; told = true { // at least two tries, however long the first one takes
		err := r.call(ctx, fn)
		if err == nil || !errors.Is(err, ErrTransient) || ctx.Err() != nil {
			return err
		}
		if told && bound > 0 && time.Since(began)+pause > bound {
			return fmt.Errorf("given up after %s: %w", policy.FormatDuration(time.Since(began).Round(time.Second)), err)
		}
		if !told {
			r.event(policy.EventStep, policy.Warning, fmt.Sprintf("%s: trying again: %v", what, err), map[string]string{"op": "retry"})
		}
		r.x.cfg.Log.Debug("driver call failed, trying again", "action", r.a.ID, "what", what, "pause", pause, "error", err)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = longer(pause)
	}
}

// observe reads the target, with retries for at most bound (0: as long as ctx lives).
func (r *run) observe(ctx context.Context, bound time.Duration) (State, error) {
	var st State
	err := r.retry(ctx, "observe", bound, func(ctx context.Context) (err error) {
		st, err = r.driver.Observe(ctx, r.a.Target)
		return err
	})
	return st, err
}

// errDisowned says that another agent has the target by now.
var errDisowned = errors.New("another agent has this target now")

func (r *run) owned(ctx context.Context) error {
	if r.x.cfg.Owned == nil {
		return nil
	}
	if err := r.x.cfg.Owned(ctx, r.a); err != nil {
		return fmt.Errorf("%w: %w", errDisowned, err)
	}
	return nil
}

// touch runs Do or Undo of one step, after asking whether the target is still ours.
func (r *run) touch(ctx context.Context, op string, s Step, bound time.Duration) error {
	change, text := r.driver.Do, s.Text
	if op == "undo" {
		change, text = r.driver.Undo, s.undoText()
	}
	err := r.timed(op, s.Kind, text, func() error {
		return r.retry(ctx, op+" "+text, bound, func(ctx context.Context) error {
			if err := r.owned(ctx); err != nil {
				return err
			}
			return change(ctx, r.a.Target, s)
		})
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, text, err)
	}
	return nil
}

// inGrace returns a context that outlives ctx by the grace period, for what must not stop half-way.
func (r *run) inGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	lasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if sleep(lasting, r.x.cfg.Grace) == nil {
			cancel(context.Cause(ctx))
		}
	})
	return lasting, func() { stop(); cancel(nil) }
}

// pause waits for d while draining or validating, and hands on what was ordered meanwhile; first what
// was ordered while the look before took longer than it should.
func (r *run) pause(ctx context.Context, d time.Duration) (order, error) {
	select {
	case o := <-r.orders:
		return o, nil
	default:
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return order{}, nil
	case o := <-r.orders:
		return o, nil
	case <-ctx.Done():
		return order{}, context.Cause(ctx)
	}
}
