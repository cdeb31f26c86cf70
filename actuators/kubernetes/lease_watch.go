package kubernetes

import (
	"sync"
	"time"

	coordination "k8s.io/api/coordination/v1"
)

// A sighting is a holder's last sign of life, and when it was first seen, by our monotonic clock. What
// the Lease says of times is compared with itself only: clocks of others are not ours.
type sighting struct {
	sign  leaseSign
	since time.Time
}

// A leaseSign changes with every renewal.
type leaseSign struct {
	uid, holder string
	renewed     int64 // of the holder's clock
	transitions int32
}

func signOf(l *coordination.Lease) leaseSign {
	s := leaseSign{uid: string(l.UID), holder: holderOf(l)}
	if l.Spec.RenewTime != nil {
		s.renewed = l.Spec.RenewTime.UnixMicro()
	}
	if l.Spec.LeaseTransitions != nil {
		s.transitions = *l.Spec.LeaseTransitions
	}
	return s
}

func holderOf(l *coordination.Lease) string {
	if l.Spec.HolderIdentity == nil {
		return ""
	}
	return *l.Spec.HolderIdentity
}

// lasts is how long a Lease holds without a renewal, as its holder promised.
func lasts(l *coordination.Lease) time.Duration {
	if s := l.Spec.LeaseDurationSeconds; s != nil && *s > 0 {
		return time.Duration(*s) * time.Second
	}
	return leaseDuration
}

// A leaseWatch remembers how long each Lease that others hold has shown no sign of life.
type leaseWatch struct {
	mu   sync.Mutex
	seen map[string]sighting // by key
}

// silent returns for how long the Lease has surely shown no sign of life. It was asked for at asked and
// had come at came: what is in it was so at least until the former, and at the latest from the latter.
func (w *leaseWatch) silent(key string, l *coordination.Lease, asked, came time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	sign := signOf(l)
	if was, ok := w.seen[key]; ok && was.sign == sign {
		return max(0, asked.Sub(was.since))
	}
	if w.seen == nil {
		w.seen = make(map[string]sighting)
	}
	w.seen[key] = sighting{sign: sign, since: came}
	return 0
}

func (w *leaseWatch) forget(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.seen, key)
}
