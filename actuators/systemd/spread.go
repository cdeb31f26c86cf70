package systemd

import (
	"context"
	"path"
	"strconv"
	"time"

	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

// How long the kernel's files are waited for.
const (
	settleFor   = 5 * time.Second
	settleEvery = 50 * time.Millisecond
)

// spread lets the unit run everywhere again before its set of processors or memory nodes is taken
// away: a set that is not set any more would stay in the kernel as it was. The kernel has to have the
// full set before systemd reads its files again, or it never gets it.
func (r *resizing) spread(ctx context.Context, u unit, values map[string]string) error {
	if u.Cgroup == "" {
		return nil
	}
	var full []setting
	for _, key := range []string{allowedCPUs, allowedMems} {
		if to, spoken := values[key]; spoken && to == "" && u.Settings[key] != "" {
			s := setting{Key: key, Value: r.everything(key)}
			if err := r.claim(s); err != nil {
				return err
			}
			full = append(full, s)
		}
	}
	if len(full) == 0 {
		return nil
	}
	if err := r.m.set(ctx, r.Unit, r.Runtime, full...); err != nil {
		return err
	}
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for began := time.Now(); !r.everywhere(u.Cgroup) && time.Since(began) < settleFor; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fault("wait for "+u.Name+" to run everywhere", context.Cause(ctx))
		}
	}
	return nil
}

// everything is all that the host has.
func (r *resizing) everything(key string) string {
	t, err := cgroup.Topology(r.files.root)
	if err != nil {
		return "0"
	}
	if key == allowedCPUs {
		return t.CPUs().String()
	}
	nodes := policy.IDs{}
	for _, n := range t.Nodes {
		nodes = nodes.Or(policy.IDs{n.ID})
	}
	return nodes.String()
}

// everywhere reports whether a group has what the one above it has.
func (r *resizing) everywhere(group string) bool {
	sets := func(group string) string {
		g, err := cgroup.At(r.files.root, group)
		if err != nil {
			return strconv.Quote(group)
		}
		s, err := g.Read()
		if err != nil {
			return strconv.Quote(group)
		}
		return s.Cpuset.CPUs.String() + " " + s.Cpuset.Mems.String()
	}
	return sets(group) == sets(path.Dir(group))
}
