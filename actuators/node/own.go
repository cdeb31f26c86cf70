package node

import (
	"context"
	"errors"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// nobody is the owner of tiers that the node looks after itself.
const nobody = "node"

// Owns lists what a node does by itself, and leaves to the agent while it owns it.
func (d *Driver) Owns() []policy.Resource {
	return []policy.Resource{policy.EvictNow, policy.TiersHotThreshold, policy.TiersWarmThreshold, policy.TiersHotTierSize}
}

// Own takes the tiers, or says again that they are holder's. It wraps ErrRefused while somebody else has them.
func (d *Driver) Own(ctx context.Context, t policy.Target, holder string, lasts time.Duration) error {
	c, err := d.reach(t)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	err = c.post(ctx, evictionPath, evictionChange{Owner: holder, TTL: span(lasts)})
	if err == nil || errors.Is(err, actuators.ErrRefused) {
		d.note(c.spec, holder, err == nil)
	}
	return err
}

// Disown lets the node look after its tiers again, with the settings that are in force.
func (d *Driver) Disown(ctx context.Context, t policy.Target, holder string) error {
	c, err := d.reach(t)
	if err != nil {
		return err
	}
	e, err := get[eviction](ctx, c, evictionPath)
	if err != nil || e.Owner != holder {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	if err := c.post(ctx, evictionPath, evictionChange{
		Owner: nobody, HotThreshold: &e.HotThreshold, WarmThreshold: &e.WarmThreshold, HotBytes: &e.HotBytes,
	}); err != nil {
		return err
	}
	d.note(c.spec, holder, false)
	return nil
}

// Release gives the tiers back.
func (d *Driver) Release(ctx context.Context, t policy.Target) error {
	s, err := specOf(t)
	if err != nil {
		return err
	}
	if holder := d.ownerAt(s); holder != "" {
		return d.Disown(ctx, t, holder)
	}
	return nil
}

func (d *Driver) note(s Spec, holder string, owns bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if owns {
		d.owned[s] = holder
		return
	}
	delete(d.owned, s)
}

// ownerAt is who we are to a node whose tiers we own, "" if we do not.
func (d *Driver) ownerAt(s Spec) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.owned[s]
}
