package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/engramd/engramd/actuators"
)

// lapse is how long a lock outlives a holder that died.
const lapse = 15 * time.Second

// Locks are the locks of a platform that agents on many hosts reach. They outlive the agents. The zero
// value is ready.
type Locks struct {
	mu      sync.Mutex
	held    map[string]*Lock             // by target
	records map[string]map[string][]byte // by target and action
	refuse  error
	hang    chan struct{}
	taken   int
}

// A Lock is one target held. It implements [actuators.Lock].
type Lock struct {
	locks  *Locks
	target string
	holder string
	died   time.Time // of its process; zero while that lives
}

// Fail has every call answer err, Hang has none of them answer; nil and false end that.
func (l *Locks) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = err
}

// Hang has no call answer until it is switched off.
func (l *Locks) Hang(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case on && l.hang == nil:
		l.hang = make(chan struct{})
	case !on && l.hang != nil:
		close(l.hang)
		l.hang = nil
	}
}

// answer waits until calls are answered, and returns what they answer.
func (l *Locks) answer() error {
	l.mu.Lock()
	hang := l.hang
	l.mu.Unlock()
	if hang != nil {
		<-hang
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refuse
}

// Lock takes a target for holder; see [actuators.Locker].
func (l *Locks) Lock(ctx context.Context, target, holder string) (*Lock, []actuators.Action, error) {
	if err := l.answer(); err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, context.Cause(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if was := l.held[target]; was != nil && was.holder != holder && (was.died.IsZero() || time.Since(was.died) < lapse) {
		return nil, nil, fmt.Errorf("%w: %s has it, seen so at %s", actuators.ErrHeld, was.holder, time.Now().UTC().Format(time.RFC3339))
	}
	return l.give(target, holder), l.left(target), nil
}

func (l *Locks) give(target, holder string) *Lock {
	if l.held == nil {
		l.held = map[string]*Lock{}
	}
	l.taken++
	one := &Lock{locks: l, target: target, holder: holder}
	l.held[target] = one
	return one
}

func (l *Locks) left(target string) (all []actuators.Action) {
	for _, text := range l.records[target] {
		var a actuators.Action
		if json.Unmarshal(text, &a) == nil { // it was made of an action
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(x, y actuators.Action) int { return x.Times[0].At.Compare(y.Times[0].At) })
	return all
}

// Steal gives a target to another holder, whoever has it: it came to believe that the first had died.
func (l *Locks) Steal(target, holder string) *Lock {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.give(target, holder)
}

// Left lists the open actions that the next holder of a target would find.
func (l *Locks) Left(target string) []actuators.Action {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left(target)
}

// Holder is who has a target, "" for nobody.
func (l *Locks) Holder(target string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one := l.held[target]; one != nil {
		return one.holder
	}
	return ""
}

// Taken says how often a lock was taken.
func (l *Locks) Taken() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken
}

// Die ends the process that holds whatever holder has: its locks lapse after a while.
func (l *Locks) Die(holder string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.held {
		if one.holder == holder && one.died.IsZero() {
			one.died = time.Now()
		}
	}
}

// Check implements [actuators.Lock].
func (k *Lock) Check() error {
	if err := k.locks.answer(); err != nil {
		return err
	}
	k.locks.mu.Lock()
	defer k.locks.mu.Unlock()
	return k.ours()
}

func (k *Lock) ours() error {
	if now := k.locks.held[k.target]; now != k {
		return fmt.Errorf("%w: %s is another's now", actuators.ErrLost, k.target)
	}
	return nil
}

// Record implements [actuators.Lock].
func (k *Lock) Record(a actuators.Action) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return k.change(func(records map[string][]byte) { records[a.ID] = text })
}

// Clear implements [actuators.Lock].
func (k *Lock) Clear(id string) error {
	return k.change(func(records map[string][]byte) { delete(records, id) })
}

func (k *Lock) change(edit func(records map[string][]byte)) error {
	l := k.locks
	if err := l.answer(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := k.ours(); err != nil {
		return err
	}
	if l.records == nil {
		l.records = map[string]map[string][]byte{}
	}
	if l.records[k.target] == nil {
		l.records[k.target] = map[string][]byte{}
	}
	edit(l.records[k.target])
	return nil
}

// Close implements [actuators.Lock].
func (k *Lock) Close() error {
	l := k.locks
	if err := l.answer(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.ours() == nil {
		delete(l.held, k.target)
	}
	return nil
}
