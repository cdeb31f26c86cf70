package agent

import (
	"fmt"
	"time"

	"github.com/engramd/engramd/actuators"
)

// lockTimeout bounds one call of a platform's lock. A longer wait would outlast the lock itself.
const lockTimeout = 15 * time.Second

// A timedLock bounds the calls of a platform's lock in time. Changes reach the platform in the order in
// which they were asked for, also those that nobody waits for any more.
type timedLock struct {
	lock actuators.Lock
	turn chan struct{} // full while a change is under way
}

func newTimedLock(lock actuators.Lock) *timedLock {
	return &timedLock{lock: lock, turn: make(chan struct{}, 1)}
}

// Check implements [actuators.Lock]. No answer in time does not mean that the lock is lost.
func (l *timedLock) Check() error { return bounded("check", l.lock.Check, nil) }

// Record implements [actuators.Lock].
func (l *timedLock) Record(a actuators.Action) error {
	return bounded("record", func() error { return l.lock.Record(a) }, l.turn)
}

// Clear implements [actuators.Lock].
func (l *timedLock) Clear(id string) error {
	return bounded("clear", func() error { return l.lock.Clear(id) }, l.turn)
}

// Close implements [actuators.Lock].
func (l *timedLock) Close() error { return bounded("give back", l.lock.Close, nil) }

// bounded makes one call, in its turn, and waits for it for as long as a lock may take.
func bounded(what string, do func() error, turn chan struct{}) error {
	late := fmt.Errorf("%w: the platform did not answer within %s to %s the lock", actuators.ErrTransient, lockTimeout, what)
	t := time.NewTimer(lockTimeout)
	defer t.Stop()
	if turn != nil {
		select {
		case turn <- struct{}{}:
		case <-t.C:
			return late
		}
	}
	done := make(chan error, 1)
	go func() {
		done <- do()
		if turn != nil {
			<-turn
		}
	}()
	select {
	case err := <-done:
		return err
	case <-t.C:
		return late
	}
}
