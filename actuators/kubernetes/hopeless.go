package kubernetes

import (
	"maps"

	"github.com/engramd/engramd/policy"
)

// hopeless is a size that the kubelet said it can never give a running pod. It is remembered until the
// driver is made anew, so that with infeasible: restart the next plan is a rollout, which has a
// maintenance window and a drain that the failed live change had not.
type hopeless struct {
	To  policy.Quantity `json:"to"`
	Why string          `json:"why"`
}

// giveUp remembers that a resize of the target to a size is hopeless.
func (d *Driver) giveUp(target string, spec Spec, c changes, why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hopeless[target] == nil {
		d.hopeless[target] = make(map[policy.Resource]hopeless)
	}
	for res, one := range c {
		d.hopeless[target][res] = hopeless{To: one.To.quantity(spec.Controls, res), Why: why}
	}
}

// givenUp is what is remembered of a target.
func (d *Driver) givenUp(target string) map[policy.Resource]hopeless {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.hopeless[target])
}
