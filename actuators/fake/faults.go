package fake

import (
	"context"
	"time"
)

// A Fault makes calls of one kind go wrong.
type Fault struct {
	// Op is observe, plan (which can only answer Err), do, undo, finish, sample or http; Kind is the
	// step's kind or the request's path, "" for any.
	Op, Kind string
	// Nth is the first call that goes wrong, from 1 (0 is 1), and Times how many do from then on (0
	// is 1, below 0 all).
	Nth, Times int
	// Err is what the call answers. With After it has its effect all the same.
	Err   error
	After bool
	// Lie answers without error and without effect. Hang answers only when its context ends. Late
	// answers after a while. They come before the effect, or after it with After.
	Lie, Hang bool
	Late      time.Duration
	// Then runs at the fault: kill something, cancel something.
	Then func()

	seen int
}

// Fail adds a fault to come.
func (d *Driver) Fail(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = append(d.faults, &f)
}

// Heal removes all faults.
func (d *Driver) Heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = nil
}

// Calls says how many calls of an operation there were.
func (d *Driver) Calls(op string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[op]
}

// due counts the call and returns the fault that it meets.
func (d *Driver) due(op, kind string) *Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls[op]++
	var hit *Fault
	for _, f := range d.faults {
		if f.Op != op || f.Kind != "" && f.Kind != kind {
			continue
		}
		f.seen++
		first, times := max(1, f.Nth), f.Times
		if times == 0 {
			times = 1
		}
		if hit == nil && f.seen >= first && (times < 0 || f.seen < first+times) {
			hit = f
		}
	}
	return hit
}

// faulty runs effect as one call, with the fault that is due.
func (d *Driver) faulty(ctx context.Context, op, kind string, effect func() error) error {
	locked := func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		return effect()
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	f := d.due(op, kind)
	if f == nil {
		return locked()
	}
	if f.After {
		if err := locked(); err != nil {
			return err
		}
		return f.strike(ctx)
	}
	if err := f.strike(ctx); err != nil || f.Lie {
		return err
	}
	if f.Hang {
		return context.Cause(ctx)
	}
	return locked()
}

func (f *Fault) strike(ctx context.Context) error {
	if f.Then != nil {
		f.Then()
	}
	if f.Hang {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if f.Late > 0 {
		t := time.NewTimer(f.Late)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return f.Err
}
