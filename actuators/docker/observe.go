package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

// Observe reports the container's configured and effective size.
func (d *Driver) Observe(ctx context.Context, t policy.Target) (actuators.State, error) {
	spec, dm, err := d.reach(t)
	if err != nil {
		return actuators.State{}, err
	}
	c, err := dm.named(ctx, spec.Container)
	if errors.Is(err, errNoContainer) {
		return actuators.State{}, fmt.Errorf("%w: %w%s", actuators.ErrNotFound, err, d.kept(ctx, dm, spec.Container))
	}
	if err != nil {
		return actuators.State{}, err
	}
	info, err := dm.about(ctx)
	if err != nil {
		return actuators.State{}, err
	}
	f := factsOf(c, spec.Host)
	f.CPUs, f.NoCpuset, f.CgroupV2 = info.CPUs, info.NoCpuset, info.CgroupV2
	f.JoinedBy, err = d.joins.joining(ctx, dm, c)
	if err != nil {
		f.JoinedUnknown = err.Error()
	}
	part := actuators.Part{
		ID: c.ID, Name: c.name(), StartedAt: c.startedAt(),
		Running: c.State.Running && !c.State.Restarting && !c.State.Dead,
		Healthy: c.health(), Restarts: c.RestartCount, OOMKilled: c.State.OOMKilled,
		Configured: policy.Size{policy.CPU: f.CPU.quantity(), policy.Memory: f.Memory.quantity()},
	}
	part.Effective = policy.Size{
		policy.CPU:    actuators.Holds(part.Configured[policy.CPU]),
		policy.Memory: actuators.Holds(part.Configured[policy.Memory]),
	}
	if g, s, ok := d.local(c); ok {
		part.PID, part.Cgroup = c.State.Pid, g.Path
		f.CPUCeiling, f.MemoryCeiling = s.CPU.ParentLimit, s.Memory.ParentLimit
		setKnown(part.Effective, policy.CPU, s.CPU.EffectiveLimit)
		setKnown(part.Effective, policy.Memory, s.Memory.EffectiveLimit)
		d.observeCPUs(&part, &f, s)
	}
	part.Raw = actuators.Encode(f)
	return actuators.State{Parts: []actuators.Part{part}}, nil
}

// observeCPUs adds where the container may run. On another host, or where the kernel does not show it,
// that is not known.
func (d *Driver) observeCPUs(part *actuators.Part, f *facts, s cgroup.Stats) {
	p, err := d.placeOf(s)
	if err != nil || len(s.Cpuset.CPUs) == 0 {
		d.log.Debug("processors not read", "container", part.Name, "error", err)
		return
	}
	f.Place, part.Allowed = p, p.CPUs
	part.Configured[policy.CPUs] = f.Cpuset.quantity(*p)
	part.Effective[policy.CPUs] = p.quantity(s.Cpuset.CPUs)
}

func setKnown(size policy.Size, r policy.Resource, q policy.Quantity) {
	if !q.IsUnset() {
		size[r] = q
	}
}

// local reads the container's control group, if its daemon runs on this host: the process id alone
// could be anybody's.
func (d *Driver) local(c container) (cgroup.Group, cgroup.Stats, bool) {
	if c.State.Pid <= 0 {
		return cgroup.Group{}, cgroup.Stats{}, false
	}
	g, err := cgroup.Find(d.root, c.State.Pid)
	if err != nil || !strings.Contains(g.Path, c.ID) {
		return cgroup.Group{}, cgroup.Stats{}, false
	}
	s, err := g.Read()
	if err != nil {
		d.log.Debug("cgroup not read", "container", c.name(), "error", err)
		return cgroup.Group{}, cgroup.Stats{}, false
	}
	return g, s, true
}

// kept says whether an unfinished recreate has put the container aside.
func (d *Driver) kept(ctx context.Context, dm *daemon, name string) string {
	all, err := dm.list(ctx, true)
	if err != nil {
		return ""
	}
	for _, c := range all {
		if strings.HasPrefix(c.name(), name+keptInfix) {
			return fmt.Sprintf(" (a recreate that did not end has put it aside as %s)", c.name())
		}
	}
	return ""
}
