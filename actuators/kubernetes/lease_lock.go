package kubernetes

import (
	"context"
	"fmt"
	"sync"

	coordination "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

var _ actuators.Locker = (*Driver)(nil)

// managedBy labels what we make in a cluster beside changes of sizes.
var managedBy = map[string]string{"app.kubernetes.io/managed-by": manager}

// Lock takes the Lease of the target's workload and container. It belongs to the workload, so that it
// goes when that is deleted.
func (d *Driver) Lock(ctx context.Context, t policy.Target, holder string) (actuators.Lock, []actuators.Action, error) {
	spec, c, err := d.reach(t)
	if err != nil {
		return nil, nil, err
	}
	want, err := c.leaseFor(ctx, spec)
	if err != nil {
		return nil, nil, err
	}
	key := c.host + "/" + want.Namespace + "/" + want.Name
	free, err := d.shared.locks.reserve(key, t.Name)
	if err != nil {
		return nil, nil, err
	}
	l, left, err := take(ctx, c.api.CoordinationV1().Leases(want.Namespace), want, holder, &d.shared.locks.watch, key, d.log.With("target", t.Name))
	if err != nil {
		free()
		return nil, nil, err
	}
	l.freed = free
	return l, left, nil
}

// leaseFor is the Lease of a target as it is made new. A container that is gone has one, too: what its last
// holder left open there is ended by whoever takes it, and it goes like any other.
func (c *cluster) leaseFor(ctx context.Context, spec Spec) (*coordination.Lease, error) {
	w, err := c.workload(ctx, spec)
	if err != nil {
		return nil, err
	}
	name, err := w.containerOf(spec)
	if err != nil {
		return nil, err
	}
	return &coordination.Lease{ObjectMeta: metav1.ObjectMeta{
		Namespace: w.Namespace, Name: leaseName(w.Kind, w.Name, name), Labels: merged(nil, managedBy),
		OwnerReferences: []metav1.OwnerReference{{APIVersion: apiVersion(w.Kind), Kind: w.Kind, Name: w.Name, UID: w.UID}},
	}}, nil
}

func apiVersion(kind string) string {
	if kind == kindPod {
		return "v1"
	}
	return "apps/v1"
}

// locks are the Leases that this process holds or watches. Two targets of one agent that are the same
// container would pass for one holder, so each has to be told apart here.
type locks struct {
	watch leaseWatch

	mu    sync.Mutex
	taken map[string]string // the target's name by key
}

func (l *locks) reserve(key, target string) (free func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other, ok := l.taken[key]; ok {
		return nil, fmt.Errorf("%w: this agent holds it already, for its target %s: give each container one target", actuators.ErrHeld, other)
	}
	if l.taken == nil {
		l.taken = make(map[string]string)
	}
	l.taken[key] = target
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.taken, key)
	}, nil
}
