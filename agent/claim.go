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

// A claim is this agent's right to act on one target, against other agents: those on the host, or all
// that reach the platform where the driver keeps its own lock. No method waits for a platform but take,
// check, record and release, which run beside the loop.
type claim struct {
	mu       sync.Mutex
	key      string
	lock     actuators.Lock // nil while not held, or where the driver needs none
	remote   bool           // the lock is the platform's: it may take time to answer
	held     bool
	ready    bool // the loop knows what the last holder left open; until then nothing is decided
	trying   bool
	checking bool
	over     bool                // it was given back, for good
	looking  bool                // the target is only looked at: no lock is needed, and nothing may be touched
	holder   *hostlock.HeldError // who on this host holds it instead
	reason   string              // why it is not held
	others   bool                // because another agent has it
	kept     map[string]bool     // the actions that the lock may hold a record of
}

const notYet = "the target's lock was not taken yet"

func newClaim() *claim { return &claim{reason: notYet} }

// standby says why this agent may not act, "" if it may.
func (c *claim) standby() (string, *hostlock.HeldError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.looking, c.held && c.ready:
		return "", nil
	case c.held:
		return "what its last holder left open is being taken up", nil
	}
	return c.reason, c.holder
}

// isOthers reports whether another agent has the target.
func (c *claim) isOthers() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.held && c.others
}

// isRemote reports whether the lock is the platform's.
func (c *claim) isRemote() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.remote
}

// check asks the lock whether the target is still ours; another agent may have taken it. Where nobody
// can say it now, it is not lost, and nothing may be touched either.
func (c *claim) check() error {
	c.mu.Lock()
	lock, held, reason := c.lock, c.held, c.reason
	c.mu.Unlock()
	if !held {
		return fmt.Errorf("%w: %s", actuators.ErrHeld, reason)
	}
	if lock == nil {
		return nil
	}
	err := lock.Check()
	if err == nil || errors.Is(err, actuators.ErrTransient) {
		return err
	}
	return errors.Join(err, c.lose(lock, err))
}

// ask is check for the loop, which does not wait for a platform: of a lock of the host it learns at once
// whether it still holds, of another what was seen last.
func (c *claim) ask() error {
	c.mu.Lock()
	held, remote, looking, reason := c.held && c.ready, c.remote, c.looking, c.reason
	c.mu.Unlock()
	switch {
	case looking:
		return nil
	case !held:
		return fmt.Errorf("%w: %s", actuators.ErrHeld, reason)
	case remote:
		return nil
	}
	return c.check()
}

// record keeps an open action where a successor finds it, and clears it when it is over. Without the
// lock there is nothing to keep it in, and nothing will be touched that a successor should know of.
func (c *claim) record(a actuators.Action) error {
	c.mu.Lock()
	lock, open := c.lock, actuators.NeedsRecovery(a)
	if lock == nil || !open && !c.kept[a.ID] {
		c.mu.Unlock()
		return nil
	}
	c.kept[a.ID] = true // also if it fails: it may have arrived
	c.mu.Unlock()
	keep := lock.Record
	if !open {
		keep = func(a actuators.Action) error { return lock.Clear(a.ID) }
	}
	switch err := keep(a); {
	case errors.Is(err, actuators.ErrLost):
		return c.lose(lock, err)
	case err != nil:
		return fmt.Errorf("%w: %w", actuators.ErrUnrecorded, err)
	case !open:
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.kept, a.ID)
	}
	return nil
}

// lose notes that a lock is not held any more.
func (c *claim) lose(lock actuators.Lock, why error) error {
	c.mu.Lock()
	if c.lock != lock {
		c.mu.Unlock()
		return nil // somebody noticed before
	}
	c.held, c.lock, c.reason = false, nil, why.Error()
	c.mu.Unlock()
	return lock.Close()
}

// rest gives the lock back for as long as the target is to be left alone, for that reason.
func (c *claim) rest(reason string) error {
	c.mu.Lock()
	lock := c.lock
	c.held, c.lock, c.reason, c.others, c.holder = false, nil, reason, false, nil
	c.mu.Unlock()
	if lock == nil {
		return nil
	}
	return lock.Close()
}

// release gives the claim back for good, also one that is just being taken.
func (c *claim) release() error {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	return c.rest("given back")
}

// A locking is what taking a claim needs of the agent.
type locking struct {
	dir     hostlock.Dir
	dataDir string
	holder  string // what a platform's lock calls this agent
	driver  actuators.Driver
	target  policy.Target
}

// take tries to get the claim; it may wait for the platform, so it runs beside the loop. It returns
// what an earlier holder left open.
func (c *claim) take(ctx context.Context, l locking) ([]actuators.Action, error) {
	if d, ok := l.driver.(actuators.Locker); ok {
		lock, left, err := d.Lock(ctx, l.target, l.holder)
		if err != nil {
			return nil, err
		}
		return left, c.settle(newTimedLock(lock), left, nil)
	}
	key, err := c.keyOf(ctx, l.driver, l.target)
	if err != nil {
		return nil, fmt.Errorf("lock target %s: %w", l.target.Name, err)
	}
	if key == "" {
		return nil, c.settle(nil, nil, nil)
	}
	lock, err := l.dir.TryLock(key, l.dataDir)
	if err != nil {
		return nil, err
	}
	left, err := lock.Read()
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return left, c.settle(lock, left, nil)
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
func (c *claim) settle(lock actuators.Lock, left []actuators.Action, err error) error {
	c.mu.Lock()
	if c.over {
		c.trying = false
		c.mu.Unlock()
		if lock != nil {
			err = errors.Join(err, lock.Close())
		}
		return errors.Join(err, errGivenBack)
	}
	defer c.mu.Unlock()
	c.trying, c.holder, c.others = false, nil, false
	if err == nil {
		_, c.remote = lock.(*timedLock)
		c.held, c.ready, c.lock, c.reason, c.kept = true, false, lock, "", map[string]bool{}
		for _, one := range left {
			c.kept[one.ID] = true
		}
		return nil
	}
	c.held, c.reason, c.others = false, err.Error(), errors.Is(err, actuators.ErrHeld)
	if held, ok := errors.AsType[*hostlock.HeldError](err); ok {
		c.holder = held
	}
	return err
}

// look is for an agent that touches nothing: it decides without the lock, which is given back if it was
// held, so that it keeps no other agent from the target. The next attempt to take it ends that.
func (c *claim) look() (lock actuators.Lock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.looking && !c.held || c.trying || c.over {
		return nil
	}
	lock = c.lock
	c.held, c.ready, c.lock, c.others, c.holder = false, false, nil, false, nil
	c.looking, c.reason = true, "nothing is touched in a dry run"
	return lock
}

func (c *claim) isLooking() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.looking
}

// setReady notes that the loop knows what the last holder left open.
func (c *claim) setReady() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = true
}

// begin reports whether an attempt should be made now, and notes that one is under way.
func (c *claim) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held || c.trying || c.over {
		return false
	}
	c.trying = true
	if c.looking {
		c.looking, c.reason = false, notYet
	}
	return true
}

// beginCheck reports whether a lock of the platform's should be looked at now, and notes that it is.
func (c *claim) beginCheck() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.held || !c.remote || c.checking {
		return false
	}
	c.checking = true
	return true
}

func (c *claim) endCheck() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checking = false
}
