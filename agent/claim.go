package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/journal/hostlock"
	"github.com/engramd/engramd/policy"
)

// A claim is this agent's right to act on one target, against other agents on the host.
type claim struct {
	mu     sync.Mutex
	key    string
	lock   *hostlock.Lock // nil while not held, or where the driver needs none
	held   bool
	trying bool
	over   bool                // it was given back, for good
	holder *hostlock.HeldError // who holds it instead
	reason string              // why it is not held
}

func newClaim() *claim { return &claim{reason: "the target's lock was not taken yet"} }

// standby says why this agent may not act, "" if it may.
func (c *claim) standby() (string, *hostlock.HeldError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held {
		return "", nil
	}
	return c.reason, c.holder
}

// check reports whether the claim still holds; another agent may have taken the target.
func (c *claim) check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.held {
		return fmt.Errorf("%w: %s", hostlock.ErrHeld, c.reason)
	}
	if c.lock == nil {
		return nil
	}
	if err := c.lock.Check(); err != nil {
		return errors.Join(err, c.lose(err))
	}
	return nil
}

// record keeps an open action where a successor finds it, and clears it when it is over. Without the
// lock there is nothing to keep it in, and nothing will be touched that a successor should know of.
func (c *claim) record(a actuators.Action) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lock == nil {
		return nil
	}
	keep := c.lock.Record
	if actuators.Final(a.State) && !a.Unfinished {
		keep = func(a actuators.Action) error { return c.lock.Clear(a.ID) }
	}
	err := keep(a)
	if errors.Is(err, hostlock.ErrLost) {
		return c.lose(err)
	}
	return err
}

// lose notes that the lock is not held any more; c.mu is held.
func (c *claim) lose(why error) error {
	c.held, c.reason = false, why.Error()
	return c.drop()
}

func (c *claim) drop() error {
	if c.lock == nil {
		return nil
	}
	err := c.lock.Close()
	c.lock = nil
	return err
}

// release gives the claim back, also one that is just being taken.
func (c *claim) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held, c.over, c.reason = false, true, "given back"
	return c.drop()
}

// take tries to get the claim; it may wait for the platform, so it runs beside the loop. It returns
// what an earlier holder left open.
func (c *claim) take(ctx context.Context, dir hostlock.Dir, dataDir string, d actuators.Driver, t policy.Target) ([]actuators.Action, error) {
	key, err := c.keyOf(ctx, d, t)
	if err != nil {
		return nil, fmt.Errorf("lock target %s: %w", t.Name, err)
	}
	if key == "" {
		return nil, c.settle(nil, nil)
	}
	lock, err := dir.TryLock(key, dataDir)
	if err != nil {
		return nil, err
	}
	left, err := lock.Read()
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return left, c.settle(lock, nil)
}

// keyOf asks the driver once; the key outlives restarts of everything.
func (c *claim) keyOf(ctx context.Context, d actuators.Driver, t policy.Target) (string, error) {
	k, ok := d.(actuators.Keyed)
	if !ok {
		return "", nil
	}
	c.mu.Lock()
	key := c.key
	c.mu.Unlock()
	if key != "" {
		return key, nil
	}
	key, err := k.Key(ctx, t)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.key = key
	return key, nil
}

// errGivenBack says that nobody wants a claim any more.
var errGivenBack = errors.New("the target is no longer this agent's to take")

// settle notes how an attempt ended. A lock that comes after the claim was given back goes at once.
func (c *claim) settle(lock *hostlock.Lock, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trying = false
	c.holder = nil
	switch {
	case c.over:
		c.lock = lock
		return errors.Join(err, errGivenBack, c.drop())
	case err == nil:
		c.held, c.lock, c.reason = true, lock, ""
		return nil
	}
	c.held, c.reason = false, err.Error()
	if held, ok := errors.AsType[*hostlock.HeldError](err); ok {
		c.holder = held
	}
	return err
}

// begin reports whether an attempt should be made now, and notes that one is under way.
func (c *claim) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held || c.trying || c.over {
		return false
	}
	c.trying = true
	return true
}
