package docker

import (
	"context"
	"errors"
	"fmt"

	"github.com/engramd/engramd/actuators"
)

// An update is a live change of one container, and what gives it back.
type update struct {
	ID     string         `json:"id"`
	Name   string         `json:"name"`
	CPU    *cpuSetting    `json:"cpu,omitempty"`
	Memory *memorySetting `json:"memory,omitempty"`
	Cpuset *cpuset        `json:"cpuset,omitempty"`
	// Unset says that Cpuset stands in for none: a container that still has none is left alone.
	Unset bool `json:"unset,omitempty"`
	// Recreate is set on the way back to what no update can bring about.
	Recreate *recreation `json:"recreate,omitempty"`
}

// applyUpdate does an update, if the container is still the one that it was planned for.
func (d *Driver) applyUpdate(ctx context.Context, dm *daemon, u update) error {
	c, err := dm.inspect(ctx, u.ID)
	if errors.Is(err, errNoContainer) {
		if now, err := dm.named(ctx, u.Name); err == nil {
			return fmt.Errorf("%w: %s is another container now (%s, planned for %s): decide again",
				actuators.ErrRefused, u.Name, short(now.ID), short(u.ID))
		}
		return fmt.Errorf("%w: %w", actuators.ErrNotFound, err)
	}
	if err != nil {
		return err
	}
	if c.name() != u.Name {
		return fmt.Errorf("%w: the container planned for is called %s by now, not %s: decide again", actuators.ErrRefused, c.name(), u.Name)
	}
	return d.set(ctx, dm, c, u)
}

// takeBack gives the old setting back wherever the new one is: on the container that was updated,
// and on one that was recreated from it since.
func (d *Driver) takeBack(ctx context.Context, dm *daemon, done, back update) error {
	if back.Recreate != nil {
		return d.recreateBack(ctx, dm, *back.Recreate)
	}
	updated, err := dm.inspect(ctx, back.ID)
	switch {
	case errors.Is(err, errNoContainer):
	case err != nil:
		return err
	default:
		if err := d.set(ctx, dm, updated, back); err != nil {
			return err
		}
	}
	now, err := dm.named(ctx, back.Name)
	switch {
	case errors.Is(err, errNoContainer) && updated.ID == "":
		return fmt.Errorf("%w: %s: nothing is left to give its old size back to", actuators.ErrNotFound, back.Name)
	case errors.Is(err, errNoContainer):
		return nil
	case err != nil:
		return err
	case now.ID == back.ID || !done.heldBy(now):
		return nil // done above, or somebody else's
	}
	return d.set(ctx, dm, now, back)
}

// heldBy reports whether c has just what u set.
func (u update) heldBy(c container) bool {
	cpu, memory := cpuOf(c.HostConfig), memoryOf(c.HostConfig)
	return (u.CPU == nil || cpu.quantity() == u.CPU.quantity()) && (u.Memory == nil || memory.quantity() == u.Memory.quantity()) &&
		(u.Cpuset == nil || cpusetOf(c.HostConfig) == *u.Cpuset)
}

// set makes u so on c. Memory that shrinks is taken back with care.
func (d *Driver) set(ctx context.Context, dm *daemon, c container, u update) error {
	if u.Memory != nil && c.State.Running && memoryOf(c.HostConfig).shrinksTo(*u.Memory) {
		if err := d.shrink(ctx, dm, c, *u.Memory); err != nil {
			return err
		}
	}
	if u.Cpuset != nil {
		if u.Unset && c.HostConfig.CpusetCpus == "" {
			return nil
		}
		if c.State.Running {
			if err := d.cpusetFits(ctx, dm, c, *u.Cpuset); err != nil {
				return err
			}
		}
		return dm.updateCpuset(ctx, c.ID, *u.Cpuset)
	}
	return dm.update(ctx, c.ID, u.CPU, u.Memory)
}

func (m memorySetting) shrinksTo(to memorySetting) bool {
	return to.Memory > 0 && (m.Memory <= 0 || to.Memory < m.Memory)
}

// none reports whether the container stays down once it ends.
func (p restartPolicy) none() bool { return p.Name == "" || p.Name == "no" }
