package kubernetes

import (
	"context"
	"errors"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

var _ actuators.Releaser = (*Driver)(nil)

// Release removes the annotation of the committed size. The Lease goes when [actuators.Lock.Close] gives it
// back, what a rollout wrote into the template was given back with the size, and Events go by themselves.
func (d *Driver) Release(ctx context.Context, t policy.Target) error {
	spec, c, err := d.reach(t)
	if err != nil {
		return err
	}
	w, err := c.workload(ctx, spec)
	if errors.Is(err, actuators.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	name, err := w.containerOf(spec)
	if err != nil {
		return err
	}
	return c.annotate(ctx, w, name, nil)
}
