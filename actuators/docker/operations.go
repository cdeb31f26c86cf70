package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	api "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/engramd/engramd/actuators"
)

// update sends one update. Of CPU only what is set is sent, NanoCPUs or the quota; memory, swap and
// reservation always go together, or Docker compares the one with the old other.
func (d *daemon) update(ctx context.Context, id string, cpu *cpuSetting, memory *memorySetting) error {
	var r api.Resources
	if cpu != nil {
		if cpu.NanoCPUs > 0 {
			r.NanoCPUs = cpu.NanoCPUs
		} else {
			r.CPUQuota = cpu.Quota
		}
	}
	if memory != nil {
		r.Memory, r.MemorySwap, r.MemoryReservation = memory.Memory, memory.Swap, memory.Reservation
	}
	return d.call(ctx, "update container "+short(id), changeTimeout, func(ctx context.Context) error {
		_, err := d.api.ContainerUpdate(ctx, id, client.ContainerUpdateOptions{Resources: &r})
		return err
	})
}

// updateCpuset sends where the container may run. The kernel takes a set of processors only along with
// memory nodes that are there, so both go in one update.
func (d *daemon) updateCpuset(ctx context.Context, id string, to cpuset) error {
	r := api.Resources{CpusetCpus: to.CPUs, CpusetMems: to.Mems}
	return d.call(ctx, "update container "+short(id), changeTimeout, func(ctx context.Context) error {
		_, err := d.api.ContainerUpdate(ctx, id, client.ContainerUpdateOptions{Resources: &r})
		return err
	})
}

// setRestart changes the restart policy alone.
func (d *daemon) setRestart(ctx context.Context, id string, p restartPolicy) error {
	if p.Name == "" {
		p.Name = "no" // empty would mean to leave it
	}
	policy := api.RestartPolicy{Name: api.RestartPolicyMode(p.Name), MaximumRetryCount: p.MaximumRetryCount}
	return d.call(ctx, "set the restart policy of "+short(id), changeTimeout, func(ctx context.Context) error {
		_, err := d.api.ContainerUpdate(ctx, id, client.ContainerUpdateOptions{RestartPolicy: &policy})
		return err
	})
}

func (d *daemon) stop(ctx context.Context, c container, seconds *int) error {
	wait := stopTimeout
	switch {
	case seconds != nil:
		wait = time.Duration(*seconds) * time.Second
	case c.Config.StopTimeout != nil && *c.Config.StopTimeout >= 0:
		wait = time.Duration(*c.Config.StopTimeout) * time.Second
	}
	return d.call(ctx, "stop container "+c.name(), wait+changeTimeout, func(ctx context.Context) error {
		_, err := d.api.ContainerStop(ctx, c.ID, client.ContainerStopOptions{Timeout: seconds})
		return err
	})
}

func (d *daemon) start(ctx context.Context, id string) error {
	return d.call(ctx, "start container "+short(id), changeTimeout, func(ctx context.Context) error {
		_, err := d.api.ContainerStart(ctx, id, client.ContainerStartOptions{})
		return err
	})
}

func (d *daemon) rename(ctx context.Context, id, name string) error {
	return d.call(ctx, fmt.Sprintf("rename container %s to %s", short(id), name), changeTimeout, func(ctx context.Context) error {
		_, err := d.api.ContainerRename(ctx, id, client.ContainerRenameOptions{NewName: name})
		return err
	})
}

// remove removes a container and leaves its volumes. One that is gone, or going, is no fault.
func (d *daemon) remove(ctx context.Context, id string) error {
	err := d.call(ctx, "remove container "+short(id), changeTimeout, func(ctx context.Context) error {
		_, err := d.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true})
		if err != nil && strings.Contains(err.Error(), "already in progress") {
			return fmt.Errorf("%w: %w", actuators.ErrTransient, err)
		}
		return err
	})
	if errors.Is(err, actuators.ErrNotFound) {
		return nil
	}
	return err
}
