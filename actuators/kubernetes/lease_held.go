package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"time"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/actuators"
)

// Check reads the Lease and sees that it is ours, for long enough to begin something. While the API
// server does not answer, nobody knows: that is [actuators.ErrTransient] and not lost, but no leave to
// act either.
func (l *lease) Check() error {
	ctx, cancel := context.WithTimeout(context.Background(), leaseTimeout)
	defer cancel()
	if _, err := l.look(ctx, "check"); err != nil {
		return err
	}
	if l.age() <= renewEvery {
		return nil
	}
	// A renewal is late. The Lease is made to last as long as it can, or nothing is begun under it.
	return l.renew(ctx)
}

// age is how long ago the last renewal was sent.
func (l *lease) age() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.renewed)
}

// Record keeps an open action as an annotation of the Lease.
func (l *lease) Record(a actuators.Action) error {
	value, err := encodeRecord(a)
	if err != nil {
		return err
	}
	return l.insist("record action "+a.ID+" on", func(next *coordination.Lease) error {
		next.Annotations = merged(next.Annotations, map[string]string{actionPrefix + a.ID: value})
		return fits(next.Annotations, a.ID)
	})
}

// Clear forgets an action.
func (l *lease) Clear(id string) error {
	if !l.has(id) {
		return l.stillOurs()
	}
	return l.insist("clear action "+id+" from", func(next *coordination.Lease) error {
		delete(next.Annotations, actionPrefix+id)
		return nil
	})
}

func (l *lease) has(id string) bool {
	_, ok := l.now().Annotations[actionPrefix+id]
	return ok
}

// Close stops renewing and gives the Lease back, so that a successor has it at once: it is deleted, or,
// with open actions on it, left without a holder.
func (l *lease) Close() error { return l.close() }

func (l *lease) giveBack() error {
	l.stop()
	l.renewer.Wait()
	defer l.freed()
	err := l.handOver()
	l.lose("it was given back")
	if err != nil {
		return fmt.Errorf("%w (it lapses by itself %s after its last renewal)", err, leaseDuration)
	}
	return nil
}

// errNothingOpen says that the Lease holds nothing for a successor.
var errNothingOpen = errors.New("no action is open")

// handOver ends our holding. A Lease that is lost already is another's business.
func (l *lease) handOver() error {
	ctx, cancel := context.WithTimeout(context.Background(), leaseTimeout)
	defer cancel()
	for range leaseTries {
		err := l.change(ctx, "give back", func(next *coordination.Lease) error {
			if !hasRecords(next.Annotations) {
				return errNothingOpen
			}
			nobody := ""
			next.Spec.HolderIdentity = &nobody
			return nil
		})
		if errors.Is(err, errNothingOpen) {
			err = l.remove(ctx)
		}
		switch {
		case errors.Is(err, actuators.ErrLost):
			return nil
		case !apierrors.IsConflict(err):
			return err
		}
	}
	return fmt.Errorf("%w: give back Lease %s: somebody else changes it again and again", actuators.ErrTransient, l.name)
}

// remove deletes the Lease as it was last seen; a conflict has it looked at again.
func (l *lease) remove(ctx context.Context) error {
	if err := l.turn(ctx); err != nil {
		return err
	}
	defer l.done()
	last := l.now()
	err := l.api.Delete(ctx, l.name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &last.UID, ResourceVersion: &last.ResourceVersion}})
	switch {
	case err == nil, apierrors.IsNotFound(err):
		return nil
	case !apierrors.IsConflict(err):
		return fault("delete Lease "+l.name, err)
	}
	now, lookErr := l.look(ctx, "give back")
	if lookErr != nil {
		return lookErr
	}
	l.keep(now, time.Time{})
	return err
}

// change writes the Lease with a change made to it, which renews it too. A conflict is looked at: as
// long as the Lease is ours, the change is made to what there is now.
func (l *lease) change(ctx context.Context, doing string, mutate func(*coordination.Lease) error) error {
	ctx, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	if err := l.turn(ctx); err != nil {
		return err
	}
	defer l.done()
	for range leaseTries {
		if err := l.stillOurs(); err != nil {
			return err
		}
		next := l.now().DeepCopy()
		if err := mutate(next); err != nil {
			return err
		}
		sent := time.Now()
		renewal(next, sent)
		got, err := l.api.Update(ctx, next, metav1.UpdateOptions{})
		switch {
		case err == nil:
			l.keep(got, sent)
			return nil
		case apierrors.IsNotFound(err):
			return l.lose("the Lease was deleted")
		case !apierrors.IsConflict(err):
			return fault(doing+" Lease "+l.name, err)
		}
		now, err := l.look(ctx, doing)
		if err != nil {
			return err
		}
		l.keep(now, time.Time{})
	}
	return fmt.Errorf("%w: %s Lease %s: somebody else changes it again and again", actuators.ErrTransient, doing, l.name)
}

// insist makes a change again and again while the API server is away, for as long as nobody else can
// have taken the Lease meanwhile: a moment without an answer does not stop a change of a target half-way.
func (l *lease) insist(doing string, mutate func(*coordination.Lease) error) error {
	for {
		err := l.change(context.Background(), doing, mutate)
		if !errors.Is(err, actuators.ErrTransient) || l.age()+renewAgain >= leaseDuration {
			return err
		}
		time.Sleep(renewAgain)
	}
}

// turn waits until nobody else changes the Lease.
func (l *lease) turn(ctx context.Context) error {
	select {
	case l.changing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: change Lease %s: the change before did not end: %w", actuators.ErrTransient, l.name, ctx.Err())
	}
}

func (l *lease) done() { <-l.changing }

// look reads the Lease, and loses it if it is another's.
func (l *lease) look(ctx context.Context, doing string) (*coordination.Lease, error) {
	if err := l.stillOurs(); err != nil {
		return nil, err
	}
	got, err := l.api.Get(ctx, l.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, l.lose("the Lease was deleted")
	case err != nil:
		return nil, fault(doing+" Lease "+l.name, err)
	}
	uid := l.now().UID
	switch holder := holderOf(got); {
	case holder == "" && got.UID == uid:
		return nil, l.lose("somebody took the holder out of the Lease")
	case holder != l.holder || got.UID != uid:
		return nil, l.lose(fmt.Sprintf("the Lease is held by %q now", holder))
	}
	return got, nil
}

// now is the Lease as last written, or read to write it.
func (l *lease) now() *coordination.Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// keep notes what the Lease is; sent is when a renewal was, if this was one.
func (l *lease) keep(now *coordination.Lease, sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = now
	if !sent.IsZero() {
		l.renewed = sent
	}
}

func (l *lease) stillOurs() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// lose gives up the Lease for good, and returns the error that says so.
func (l *lease) lose(why string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost == nil {
		l.lost = fmt.Errorf("%w: Lease %s: %s", actuators.ErrLost, l.name, why)
	}
	return l.lost
}
