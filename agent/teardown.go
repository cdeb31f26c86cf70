package agent

import (
	"errors"
	"sync"
)

// A teardown is one list of what to give back, last in, first out.
type teardown struct {
	mu    sync.Mutex
	steps []func() error
}

func (t *teardown) add(f func() error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps = append(t.steps, f)
}

// run gives everything back once; called again it does nothing.
func (t *teardown) run() error {
	t.mu.Lock()
	steps := t.steps
	t.steps = nil
	t.mu.Unlock()
	var errs []error
	for i := len(steps) - 1; i >= 0; i-- {
		errs = append(errs, steps[i]())
	}
	return errors.Join(errs...)
}
