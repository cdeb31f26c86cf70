package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/moby/moby/client"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// shrinkSteps bounds in how many steps a limit comes down, each half of what is left.
const shrinkSteps = 6

// memoryUse is what a container holds. What cannot be told is as much as it could be.
type memoryUse struct {
	usage int64 // everything that is charged
	hard  int64 // what the kernel cannot take back: usage less the pages of files
}

// fits reports whether what cannot be given up has a tenth to spare below the new limit.
func (u memoryUse) fits(to memorySetting) bool { return u.hard+u.hard/10 < to.Memory }

// shrink prepares c for a memory limit below its present one. Docker does not look: cgroup v1 answers
// EBUSY, and v2 kills for want of memory. So what cannot be given up must fit first; then the page
// cache is asked back, and then the limit comes down step by step, as far as the kernel follows.
func (d *Driver) shrink(ctx context.Context, dm *daemon, c container, to memorySetting) error {
	info, err := dm.about(ctx)
	if err != nil {
		return err
	}
	use, err := d.memoryUse(ctx, dm, c)
	if err != nil {
		return err
	}
	if !use.fits(to) {
		return tooSmall(c, use.hard, to)
	}
	if use.usage < to.Memory || !info.CgroupV2 {
		return nil // it fits, or the kernel reclaims and refuses by itself
	}
	before := memoryOf(c.HostConfig)
	d.reclaim(c, use.usage-to.Memory+to.Memory/50)
	limit := use.usage
	if before.Memory > 0 {
		limit = min(limit, before.Memory)
	}
	for range shrinkSteps {
		if use, err = d.memoryUse(ctx, dm, c); err != nil || use.usage < to.Memory {
			break
		}
		next := max(to.Memory, to.Memory+(limit-to.Memory)/2, use.hard+use.hard/10)
		if next >= limit {
			break // what is in use has grown
		}
		limit = next
		if err = dm.update(ctx, c.ID, nil, to.at(limit)); err != nil || limit == to.Memory {
			break
		}
	}
	if err == nil && !use.fits(to) {
		err = tooSmall(c, use.hard, to)
	}
	if err != nil && before.Memory > 0 {
		back := before.back(to)
		if undo := dm.update(ctx, c.ID, nil, &back); undo != nil {
			return fmt.Errorf("%w; and its old limit could not be given back: %w", err, undo)
		}
	}
	return err
}

// at is m on its way down, still at limit.
func (m memorySetting) at(limit int64) *memorySetting {
	swap := m.Swap
	if swap > 0 {
		swap += limit - m.Memory
	}
	return &memorySetting{limit, swap, m.Reservation}
}

func tooSmall(c container, use int64, to memorySetting) error {
	bytes := policy.Memory.Format
	return fmt.Errorf("%w: %s uses %s of memory that cannot be reclaimed, and with a tenth to spare that does not fit into %s: free some first, or let it restart (apply: {memory: restart})",
		actuators.ErrRefused, c.name(), bytes(policy.Amount(use)), bytes(policy.Amount(to.Memory)))
}

// reclaim is best effort: where it is not possible, lowering the limit does the same, only harder.
func (d *Driver) reclaim(c container, n int64) {
	g, _, ok := d.local(c)
	if !ok {
		return
	}
	if err := g.Reclaim(n); err != nil {
		d.log.Debug("page cache not reclaimed", "container", c.name(), "error", err)
	}
}

// memoryUse reads the cgroup where it is local, else asks the daemon.
func (d *Driver) memoryUse(ctx context.Context, dm *daemon, c container) (memoryUse, error) {
	if _, s, ok := d.local(c); ok && s.Memory.Usage != nil {
		return memoryUse{usage: *s.Memory.Usage, hard: *s.Memory.Unreclaimable()}, nil
	}
	var use memoryUse
	err := dm.call(ctx, "read the memory use of "+short(c.ID), readTimeout, func(ctx context.Context) error {
		stats, err := dm.api.ContainerStats(ctx, c.ID, client.ContainerStatsOptions{})
		if err != nil {
			return err
		}
		defer stats.Body.Close()
		use, err = decodeUse(stats.Body)
		return err
	})
	return use, err
}

// decodeUse reads the daemon's statistics, whose fields differ between cgroup v1 and v2.
func decodeUse(r io.Reader) (memoryUse, error) {
	var doc struct {
		Memory struct {
			Usage *int64           `json:"usage"`
			Stats map[string]int64 `json:"stats"`
		} `json:"memory_stats"`
	}
	if err := json.NewDecoder(r).Decode(&doc); err != nil {
		return memoryUse{}, fmt.Errorf("the daemon's statistics make no sense: %w", err)
	}
	if doc.Memory.Usage == nil || *doc.Memory.Usage < 0 {
		return memoryUse{}, fmt.Errorf("the daemon does not tell the memory use, so a lower limit might kill the process")
	}
	stats := doc.Memory.Stats
	pages := stats["active_file"] + stats["inactive_file"]
	if _, v1 := stats["total_inactive_file"]; v1 { // there the plain names leave the children out
		pages = stats["total_active_file"] + stats["total_inactive_file"]
	}
	usage := *doc.Memory.Usage
	return memoryUse{usage, min(usage, max(0, usage-pages))}, nil
}
