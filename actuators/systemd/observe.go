package systemd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

// Observe reports the unit's configured and effective size.
func (d *Driver) Observe(ctx context.Context, t policy.Target) (actuators.State, error) {
	spec, m, err := d.reach(t)
	if err != nil {
		return actuators.State{}, err
	}
	a, err := m.about(ctx)
	if err != nil {
		return actuators.State{}, err
	}
	u, err := m.unit(ctx, spec.Unit)
	if err == nil {
		err = u.usable()
	}
	if err != nil {
		return actuators.State{}, err
	}
	f, err := d.factsOf(spec, u, a)
	if err != nil {
		return actuators.State{}, err
	}
	part := actuators.Part{
		ID: u.id(), Name: u.Name, StartedAt: u.Since, Running: u.running(),
		Restarts: u.Restarts, OOMKilled: u.Result == "oom-kill", PID: u.MainPID,
		Configured: policy.Size{
			policy.CPU:    milliCPU(u.Settings[cpuQuota]),
			policy.Memory: bytesOf(u.Settings[memoryMax]),
			policy.CPUs:   cpuSet(u.Settings[allowedCPUs]),
		},
	}
	d.effective(&part, u, &f)
	part.Raw = actuators.Encode(f)
	return actuators.State{Parts: []actuators.Part{part}}, nil
}

// usable refuses units that there is nothing to say about.
func (u unit) usable() error {
	switch u.Load {
	case "loaded":
		return nil
	case "not-found", "":
		return fmt.Errorf("%w: there is no unit %s", actuators.ErrNotFound, u.Name)
	case "masked":
		return fmt.Errorf("%w: %s is masked: systemctl unmask %[2]s", actuators.ErrRefused, u.Name)
	}
	return fmt.Errorf("%w: systemd could not load %s (%s): see systemctl status %[2]s", actuators.ErrRefused, u.Name, u.Load)
}

// id changes with every start.
func (u unit) id() string {
	if u.Invocation != "" {
		return u.Invocation
	}
	return u.Name + "@" + strconv.FormatInt(u.Since.UnixMicro(), 10)
}

func cpuSet(text string) policy.Quantity {
	if text == "" {
		return policy.Quantity{}
	}
	return policy.Set(text)
}

// effective reads what holds. Where the unit has no limit of its own, that is unlimited: a limit of
// its parents is a ceiling, which planning honours, and not the unit's to give back.
func (d *Driver) effective(part *actuators.Part, u unit, f *facts) {
	f.Topology, _ = cgroup.Topology(d.files.root)
	f.CPUs = f.Topology.CPUs()
	f.MemoryCeiling = policy.Quantity{}
	s, above, ok := d.stats(u.Cgroup)
	if !ok {
		part.Effective = policy.Size{
			policy.CPU: actuators.Holds(part.Configured[policy.CPU]), policy.CPUs: actuators.Holds(part.Configured[policy.CPUs]),
			policy.Memory: actuators.Holds(part.Configured[policy.Memory]),
		}
		told(part, u, f)
		return
	}
	if len(above) > 0 {
		f.CPUs = above
	}
	f.CPUCeiling, f.MemoryCeiling = s.CPU.ParentLimit, s.Memory.ParentLimit
	part.Cgroup, part.Allowed = u.Cgroup, f.CPUs
	if part.PID == 0 && u.kind() == "scope" {
		part.PID = d.firstProcess(u.Cgroup)
	}
	part.Effective = policy.Size{
		policy.CPU:    own(s.CPU.Limit, s.CPU.EffectiveLimit),
		policy.Memory: own(s.Memory.Limit, s.Memory.EffectiveLimit),
		policy.CPUs:   effectiveSet(part.Configured[policy.CPUs], s.Cpuset.CPUs, f.CPUs),
	}
}

// told takes what systemd tells of the parents' limits, since version 256, where the control group
// cannot be read. Both of its figures count the unit's own limit too.
func told(part *actuators.Part, u unit, f *facts) {
	if ids, err := policy.ParseIDs(u.EffectiveCPUs); err == nil && len(ids) > 0 && u.Settings[allowedCPUs] == "" {
		f.CPUs = ids
	}
	limit := bytesOf(u.EffectiveMemory)
	if !smaller(limit, part.Configured[policy.Memory]) {
		return
	}
	f.MemoryCeiling = limit
	if u.Settings[memoryMax] != "" {
		part.Effective[policy.Memory] = limit
	}
}

// own is what holds of a group's own limit.
func own(limit, effective policy.Quantity) policy.Quantity {
	if _, limited := limit.Amount(); limited {
		return effective
	}
	return policy.Unlimited()
}

// effectiveSet is unlimited where the unit has all that its parents leave it and asked for nothing.
func effectiveSet(configured policy.Quantity, cpus, above policy.IDs) policy.Quantity {
	_, asked := configured.Set()
	if len(cpus) == 0 || !asked && cpus.String() == above.String() {
		return policy.Unlimited()
	}
	return cpus.Quantity()
}

// firstProcess is the oldest process of a scope, which has no main one.
func (d *Driver) firstProcess(group string) int {
	for _, hierarchy := range []string{"", "systemd"} {
		text, err := os.ReadFile(filepath.Join(d.files.root, "sys/fs/cgroup", hierarchy, group, "cgroup.procs"))
		if err != nil {
			continue
		}
		first, _, _ := strings.Cut(string(text), "\n")
		pid, _ := strconv.Atoi(first)
		return pid
	}
	return 0
}
