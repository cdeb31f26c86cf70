package docker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

// topologyFor is how long what was read of the host's processors counts: they hardly ever change.
const topologyFor = time.Minute

// A cpuset is where a container may run and have its memory, as Docker holds it; "" is anywhere.
type cpuset struct {
	CPUs string `json:"cpus,omitempty"`
	Mems string `json:"mems,omitempty"` // memory nodes
}

func cpusetOf(h hostConfig) cpuset { return cpuset{h.CpusetCpus, h.CpusetMems} }

// place is what the host has of processors and memory for one container.
type place struct {
	Topology policy.Topology `json:"topology"`
	CPUs     policy.IDs      `json:"cpus"` // those that its parent cgroup lets it use
	Mems     policy.IDs      `json:"mems"`
}

// quantity is the set as a size: one that holds all that the container could have is none.
func (c cpuset) quantity(p place) policy.Quantity {
	ids, err := policy.ParseIDs(c.CPUs)
	if err != nil || len(ids) == 0 {
		return policy.Quantity{}
	}
	return p.quantity(ids)
}

func (p place) quantity(ids policy.IDs) policy.Quantity {
	if len(p.CPUs.Without(ids)) == 0 {
		return policy.Unlimited()
	}
	return ids.Quantity()
}

// live is the setting that an update of a running container brings about. None can be taken away again:
// everything that the host has stands in for it. Memory nodes are left alone where there is one only.
func (c cpuset) live(p place, to policy.Quantity) cpuset {
	ids := to.IDs()
	if ids == nil {
		ids = p.CPUs
	}
	set := cpuset{CPUs: ids.String(), Mems: c.Mems}
	if len(p.Mems) > 1 || c.Mems != "" {
		set.Mems = p.memsOf(ids).String()
	}
	return set
}

// memsOf are the memory nodes that go with the processors.
func (p place) memsOf(ids policy.IDs) policy.IDs {
	if len(p.CPUs.Without(ids)) == 0 {
		return p.Mems
	}
	if mems := p.Topology.MemsOf(ids).And(p.Mems); len(mems) > 0 {
		return mems
	}
	return p.Mems
}

// recreated is the setting of a new container.
func (c cpuset) recreated(p place, to policy.Quantity) cpuset {
	if to.IsUnset() {
		return cpuset{}
	}
	return c.live(p, to)
}

// back is the setting whose update gives c back after one to now.
func (c cpuset) back(p place, now cpuset) cpuset {
	if c.CPUs == "" {
		c.CPUs = p.CPUs.String()
	}
	if c.Mems == "" && now.Mems != "" {
		c.Mems = p.Mems.String()
	}
	return c
}

func (c cpuset) String() string {
	if c.CPUs == "" {
		return "anywhere"
	}
	if c.Mems == "" {
		return c.CPUs
	}
	return c.CPUs + " mems " + c.Mems
}

func (c cpuset) flags() []string {
	var words []string
	if c.CPUs != "" {
		words = append(words, "--cpuset-cpus", c.CPUs)
	}
	if c.Mems != "" {
		words = append(words, "--cpuset-mems", c.Mems)
	}
	return words
}

// placeOf says what the host has for a container that was read on it.
func (d *Driver) placeOf(s cgroup.Stats) (*place, error) {
	t, err := d.topologyNow()
	if err != nil {
		return nil, err
	}
	p := &place{Topology: t, CPUs: t.CPUs(), Mems: t.MemsOf(t.CPUs())}
	if above := s.Cpuset.CPUsAbove.And(p.CPUs); len(above) > 0 {
		p.CPUs = above
	}
	if above := s.Cpuset.MemsAbove.And(p.Mems); len(above) > 0 {
		p.Mems = above
	}
	return p, nil
}

func (d *Driver) topologyNow() (policy.Topology, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.topologyAt) < topologyFor {
		return d.topology, nil
	}
	t, err := cgroup.Topology(d.root)
	if err != nil {
		return policy.Topology{}, err
	}
	d.topology, d.topologyAt = t, time.Now()
	return t, nil
}

// addCPUs plans a change of processors.
func (p *planner) addCPUs(to policy.Quantity) error {
	f := p.facts
	switch {
	case f.Place == nil:
		return fmt.Errorf("%w: the processors that %s may use cannot be seen from here: run engramd on the daemon's host, with /sys and /sys/fs/cgroup",
			actuators.ErrRefused, f.Name)
	case f.NoCpuset:
		return fmt.Errorf("%w: the Docker daemon of %s has no cpuset controller: delegate it to the daemon, or boot a kernel with it", actuators.ErrRefused, f.Name)
	}
	ids := to.IDs()
	if missing := ids.Without(f.Place.CPUs); len(missing) > 0 {
		return fmt.Errorf("%w: %s may not have processors %s: its host and its parent cgroup allow %s", actuators.ErrRefused, f.Name, missing, f.Place.CPUs)
	}
	if _, isAmount := to.Amount(); isAmount {
		return fmt.Errorf("%w: processors of %s are a set, not a number", actuators.ErrRefused, f.Name)
	}
	live := f.Cpuset.live(*f.Place, to)
	p.cpuset = &change[cpuset]{to, live, f.Cpuset.recreated(*f.Place, to)}
	if f.Cpuset.CPUs == "" && len(p.restart) == 0 {
		p.notes = append(p.notes, fmt.Sprintf("Docker cannot take a set of processors away from a running container: taking this back sets all of them (%s)", f.Cpuset.back(*f.Place, live)))
	}
	if !f.CgroupV2 && live.Mems != f.Cpuset.Mems && len(f.Place.Mems) > 1 {
		p.notes = append(p.notes, "cgroup v1: memory that is in use stays where it is, only new memory comes from the chosen nodes")
	}
	return nil
}

// cpusetStep is the live update.
func (p *planner) cpusetStep() actuators.Step {
	f := p.facts
	back := f.Cpuset.back(*f.Place, p.cpuset.live)
	return actuators.Step{
		Kind:     kindUpdate,
		Args:     actuators.Encode(update{ID: f.ID, Name: f.Name, Cpuset: &p.cpuset.live}),
		UndoArgs: actuators.Encode(update{ID: f.ID, Name: f.Name, Cpuset: &back, Unset: f.Cpuset.CPUs == ""}),
		Text:     fmt.Sprintf("update cpuset %s -> %s", f.Cpuset, p.cpuset.live),
	}
}

// cpusetFits refuses memory nodes that have less memory than the container cannot give up: the kernel
// moves it there, and kills for want of room.
func (d *Driver) cpusetFits(ctx context.Context, dm *daemon, c container, to cpuset) error {
	_, s, ok := d.local(c)
	if to.Mems == "" || !ok || to.Mems == c.HostConfig.CpusetMems {
		return nil
	}
	t, err := d.topologyNow()
	if err != nil {
		return err
	}
	mems, err := policy.ParseIDs(to.Mems)
	if err != nil || len(s.Cpuset.Mems.Without(mems)) == 0 {
		return err // as many as now, or more
	}
	var have int64
	for _, id := range mems {
		n, _ := t.Node(id)
		have += n.MemoryBytes
	}
	use, err := d.memoryUse(ctx, dm, c)
	if err != nil {
		return err
	}
	if use.hard+use.hard/10 >= have {
		bytes := policy.Memory.Format
		return fmt.Errorf("%w: %s uses %s of memory that cannot be reclaimed, and with a tenth to spare that does not fit into the %s of memory nodes %s",
			actuators.ErrRefused, c.name(), bytes(policy.Amount(use.hard)), bytes(policy.Amount(have)), strings.TrimSpace(to.Mems))
	}
	return nil
}
