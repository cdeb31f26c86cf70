package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/actuators"
)

// A holder that was not seen to renew for leaseDuration has lost its Lease; it renews thrice as often.
const (
	leaseDuration = 15 * time.Second
	renewEvery    = 5 * time.Second
	renewAgain    = time.Second     // after a failure
	leaseTimeout  = 4 * time.Second // of one change of a Lease, its retries included
	leaseTries    = 5               // after conflicts
)

// leases is what a lock needs of the API server.
type leases interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*coordination.Lease, error)
	Create(ctx context.Context, lease *coordination.Lease, opts metav1.CreateOptions) (*coordination.Lease, error)
	Update(ctx context.Context, lease *coordination.Lease, opts metav1.UpdateOptions) (*coordination.Lease, error)
	Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error
}

// A lease is a target that this process holds. A goroutine renews it until Close. It implements
// [actuators.Lock].
type lease struct {
	api    leases
	log    *slog.Logger
	name   string
	holder string
	freed  func() // at Close

	stop    context.CancelFunc
	renewer sync.WaitGroup
	close   func() error // once

	changing chan struct{} // holds a token while the Lease is changed: one at a time

	mu      sync.Mutex
	last    *coordination.Lease // as last read or written
	renewed time.Time           // when the last successful renewal was sent
	lost    error               // wraps ErrLost, once it is
}

var _ actuators.Lock = (*lease)(nil)

// take tries to get a Lease for holder, and returns it with what its last holder left open. Nobody is
// waited for: it wraps [actuators.ErrHeld] while another has it.
func take(ctx context.Context, api leases, want *coordination.Lease, holder string, seen *leaseWatch, key string, log *slog.Logger) (*lease, []actuators.Action, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	now, err := free(ctx, api, want.Name, holder, seen, key)
	if err != nil {
		return nil, nil, err
	}
	next := claimed(now, want, holder, time.Now())
	left, err := recordsOf(next.Annotations)
	if err != nil {
		return nil, nil, fmt.Errorf("what the last holder of Lease %s left open: %w", want.Name, err)
	}
	sent := time.Now()
	if now == nil {
		next, err = api.Create(ctx, next, metav1.CreateOptions{})
	} else {
		next, err = api.Update(ctx, next, metav1.UpdateOptions{})
	}
	switch {
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), now != nil && apierrors.IsNotFound(err):
		return nil, nil, fmt.Errorf("%w: Lease %s was changed by somebody else at the same moment: %w", actuators.ErrHeld, want.Name, err)
	case err != nil:
		return nil, nil, fault("take Lease "+want.Name, err)
	}
	seen.forget(key)
	return begin(api, next, holder, sent, log), left, nil
}

// free returns the Lease if holder may take it, nil if there is none.
func free(ctx context.Context, api leases, name, holder string, seen *leaseWatch, key string) (*coordination.Lease, error) {
	asked := time.Now()
	now, err := api.Get(ctx, name, metav1.GetOptions{})
	came := time.Now()
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fault("take Lease "+name, err)
	}
	other := holderOf(now)
	if other == "" || other == holder {
		return now, nil
	}
	if silent := seen.silent(key, now, asked, came); silent < lasts(now) {
		return nil, fmt.Errorf("%w: Lease %s is held by %s, and taken over once that has not renewed it for %s (seen so for %s)",
			actuators.ErrHeld, name, other, lasts(now), silent.Round(time.Second))
	}
	return now, nil
}

// claimed is the Lease as holder has it; now is what there is, nil for nothing.
func claimed(now, want *coordination.Lease, holder string, at time.Time) *coordination.Lease {
	next := want.DeepCopy()
	var transitions int32
	if now != nil {
		next = now.DeepCopy()
		next.Labels = merged(next.Labels, want.Labels)
		next.Annotations = merged(next.Annotations, want.Annotations)
		next.OwnerReferences = want.OwnerReferences
		if was := now.Spec.LeaseTransitions; was != nil {
			transitions = *was
		}
		if holderOf(now) != holder {
			transitions++
		}
	}
	seconds, stamp := int32(leaseDuration/time.Second), metav1.NewMicroTime(at)
	next.Spec = coordination.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &stamp, LeaseTransitions: &transitions}
	renewal(next, at)
	return next
}

// renewal stamps a Lease so that it differs from every earlier one, also where the clock stands still
// or was set back.
func renewal(l *coordination.Lease, at time.Time) {
	stamp := metav1.NewMicroTime(at)
	if was := l.Spec.RenewTime; was != nil && stamp.UnixMicro() == was.UnixMicro() {
		stamp = metav1.NewMicroTime(at.Add(time.Microsecond))
	}
	l.Spec.RenewTime = &stamp
}

func merged(into, from map[string]string) map[string]string {
	if into == nil {
		into = make(map[string]string, len(from))
	}
	maps.Copy(into, from)
	return into
}

// begin renews from now on.
func begin(api leases, held *coordination.Lease, holder string, sent time.Time, log *slog.Logger) *lease {
	ctx, stop := context.WithCancel(context.Background())
	l := &lease{api: api, log: log, name: held.Name, holder: holder, last: held, renewed: sent, stop: stop, freed: func() {}, changing: make(chan struct{}, 1)}
	l.close = sync.OnceValue(l.giveBack)
	l.renewer.Go(func() { l.renewing(ctx) })
	return l
}

func (l *lease) renewing(ctx context.Context) {
	wait, failing := renewEvery, false
	for {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		err := l.renew(ctx)
		wait = renewEvery
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, actuators.ErrLost):
			l.log.Warn("the lease of a target is lost", "lease", l.name, "error", err)
			return
		case err != nil:
			if !failing {
				l.log.Warn("the lease of a target cannot be renewed now", "lease", l.name, "error", err)
			}
			wait, failing = renewAgain, true
		case failing:
			l.log.Info("the lease of a target is renewed again", "lease", l.name)
			failing = false
		}
	}
}

func (l *lease) renew(ctx context.Context) error {
	return l.change(ctx, "renew", func(*coordination.Lease) error { return nil })
}

// leaseName names the Lease of a container of a workload. Kinds and containers have no dots in their
// names, so that no two share one.
func leaseName(kind, workload, container string) string {
	name := strings.ToLower("engramd." + kind + "." + workload + "." + container)
	if len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	suffix := hex.EncodeToString(sum[:8])
	return strings.TrimRight(name[:maxName-len(suffix)-1], "-.") + "-" + suffix
}
