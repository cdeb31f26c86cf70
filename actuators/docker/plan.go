package docker

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// Plan lists the steps that take the container to a size: live if Docker and the target's apply
// allow it, else by a recreate.
func (d *Driver) Plan(t policy.Target, from actuators.State, to policy.Size) (actuators.Plan, error) {
	if len(from.Parts) != 1 {
		return actuators.Plan{}, fmt.Errorf("%w: %s: want one container, got %d", actuators.ErrNotFound, t.Name, len(from.Parts))
	}
	part := from.Parts[0]
	var f facts
	if err := json.Unmarshal(part.Raw, &f); err != nil {
		return actuators.Plan{}, fmt.Errorf("docker: plan for %s: its state makes no sense: %w", t.Name, err)
	}
	p := planner{target: t, facts: f}
	if err := p.possible(); err != nil {
		return actuators.Plan{}, err
	}
	for _, r := range d.Resources() {
		q, asked := to[r]
		if !asked || same(part.Configured[r], q) && actuators.Same(r, part.Effective[r], q) {
			continue
		}
		if err := p.add(r, part, q); err != nil {
			return actuators.Plan{}, err
		}
	}
	for r := range to {
		if !slices.Contains(d.Resources(), r) {
			return actuators.Plan{}, fmt.Errorf("%w: docker cannot change %s", actuators.ErrRefused, r)
		}
	}
	if len(p.restart) > 0 {
		return p.planRestart()
	}
	return p.planLive(), nil
}

// same reports whether two quantities mean the same limit.
func same(a, b policy.Quantity) bool {
	n, ok := a.Amount()
	m, ok2 := b.Amount()
	list, _ := a.Set()
	list2, _ := b.Set()
	return ok == ok2 && n == m && list == list2
}

// A planner gathers what a plan changes.
type planner struct {
	target  policy.Target
	facts   facts
	cpu     *change[cpuSetting]
	memory  *change[memorySetting]
	cpuset  *change[cpuset]
	restart []string // why it cannot be done live
	notes   []string
}

// A change is one setting on its way.
type change[S any] struct {
	to   policy.Quantity
	live S // the setting that a live update makes
	new  S // the one of a new container
}

// possible refuses containers that belong to somebody else, or are past changing.
func (p *planner) possible() error {
	f := p.facts
	switch {
	case f.SwarmService != "":
		return fmt.Errorf("%w: %s is a task of the Swarm service %s, and Swarm would replace it with the service's own size: change the service (docker service update --limit-cpu, --limit-memory)",
			actuators.ErrRefused, f.Name, f.SwarmService)
	case f.Pod != "":
		return fmt.Errorf("%w: %s belongs to the Kubernetes pod %s: make it a kubernetes target", actuators.ErrRefused, f.Name, f.Pod)
	case f.Status == "dead" || f.Status == "removing":
		return fmt.Errorf("%w: %s is %s", actuators.ErrRefused, f.Name, f.Status)
	}
	return nil
}

// add plans the change of one resource.
func (p *planner) add(r policy.Resource, part actuators.Part, to policy.Quantity) error {
	switch p.target.Apply[r] {
	case policy.ApplyRestart:
		p.restart = append(p.restart, fmt.Sprintf("apply says that %s needs a restart", r))
	case policy.ApplyGrowLive:
		if smaller(to, part.Effective[r]) {
			p.restart = append(p.restart, fmt.Sprintf("apply says that less %s needs a restart", r))
		}
	}
	switch r {
	case policy.CPU:
		return p.addCPU(to)
	case policy.CPUs:
		return p.addCPUs(to)
	}
	return p.addMemory(to)
}

// smaller reports whether a is less than b.
func smaller(a, b policy.Quantity) bool {
	n, limited := a.Amount()
	m, ok := b.Amount()
	return limited && (!ok || n < m)
}

func (p *planner) addCPU(to policy.Quantity) error {
	if err := checkCPU(p.facts, to); err != nil {
		return err
	}
	now := p.facts.CPU
	live, ok := now.live(to)
	if !ok {
		p.restart = append(p.restart, "a limit set with --cpus cannot be taken away from a container, only left out of a new one")
	}
	if now.poisoned() {
		p.notes = append(p.notes, "somebody set cpu_quota -1 beside --cpus: after its next start this container is unlimited, whatever --cpus says; apply: {cpu: restart} cures that")
	}
	p.cpu = &change[cpuSetting]{to, live, now.recreated(to)}
	return nil
}

func (p *planner) addMemory(to policy.Quantity) error {
	if err := checkMemory(p.facts, to); err != nil {
		return err
	}
	now := p.facts.Memory
	setting := now.resized(to, p.target.Memory)
	_, limited := to.Amount()
	switch {
	case !limited:
		p.restart = append(p.restart, "a memory limit cannot be taken away from a container, only left out of a new one")
	case len(p.restart) > 0:
	case now.Memory <= 0 && !p.target.AdoptUnlimited:
		return fmt.Errorf("%w: %s has no memory limit, and one that is set live can only be taken away again by recreating the container: set adopt_unlimited: true to accept that, or apply: {memory: restart}",
			actuators.ErrRefused, p.facts.Name)
	case now.Memory <= 0:
		if err := p.restartable("to take the change back"); err != nil {
			return err
		}
	case now.unlimitedSwap() && setting.Swap >= 0:
		p.restart = append(p.restart, "unlimited swap cannot be given back to a running container")
	}
	p.memory = &change[memorySetting]{to, setting, setting}
	return nil
}

func (p *planner) planLive() actuators.Plan {
	f := p.facts
	plan := actuators.Plan{Strategy: policy.Live, Notes: p.notes}
	if p.cpu != nil {
		back := f.CPU.back()
		plan.Steps = append(plan.Steps, actuators.Step{
			Kind:     kindUpdate,
			Args:     actuators.Encode(update{ID: f.ID, Name: f.Name, CPU: &p.cpu.live}),
			UndoArgs: actuators.Encode(update{ID: f.ID, Name: f.Name, CPU: &back}),
			Text:     fmt.Sprintf("update %s %s -> %s", p.cpu.live.key(), f.CPU.value(), p.cpu.live.value()),
		})
	}
	if p.memory != nil {
		back := update{ID: f.ID, Name: f.Name}
		if f.Memory.Memory > 0 {
			old := f.Memory.back(p.memory.live)
			back.Memory = &old
		} else {
			r := p.recreation()
			r.CPU, r.Cpuset, r.Memory = nil, nil, &f.Memory
			back.Recreate = &r
			plan.Notes = append(plan.Notes, "the container has no memory limit now: taking this change back means to recreate it")
		}
		plan.Steps = append(plan.Steps, actuators.Step{
			Kind:     kindUpdate,
			Args:     actuators.Encode(update{ID: f.ID, Name: f.Name, Memory: &p.memory.live}),
			UndoArgs: actuators.Encode(back),
			Text:     fmt.Sprintf("update %s -> %s", f.Memory, policy.Memory.Format(p.memory.to)),
		})
	}
	if p.cpuset != nil {
		plan.Steps = append(plan.Steps, p.cpusetStep())
	}
	plan.Command = p.liveCommand()
	return plan
}
