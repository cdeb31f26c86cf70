package systemd

import (
	"context"
	"fmt"
	"path"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

// How long the kernel's files are waited for.
const (
	settleFor   = 10 * time.Second
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
	for began := time.Now(); !r.everywhere(u.Cgroup, full); {
		if time.Since(began) > settleFor {
			return fmt.Errorf("%w: %s was let run everywhere, and the kernel does not show it after %s", actuators.ErrTransient, u.Name, settleFor)
		}
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

// everywhere reports whether a group has what the one above it has of some settings. What cannot be
// seen cannot be waited for.
func (r *resizing) everywhere(group string, settings []setting) bool {
	has, ok := r.sets(group)
	above, alsoOK := r.sets(path.Dir(group))
	if !ok || !alsoOK {
		return true
	}
	for _, s := range settings {
		if s.Key == allowedCPUs && has.CPUs.String() != above.CPUs.String() || s.Key == allowedMems && has.Mems.String() != above.Mems.String() {
			return false
		}
	}
	return true
}

func (r *resizing) sets(group string) (cgroup.Cpuset, bool) {
	g, err := cgroup.At(r.files.root, group)
	if err != nil {
		return cgroup.Cpuset{}, false
	}
	s, err := g.Read()
	return s.Cpuset, err == nil
}
