package agent

import (
	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// placeOn adds to a situation how the processors of this host lie, which of them the target could have
// and which the other targets keep to. A target whose processors cannot be seen from here gets none of
// it, so that none are chosen for it.
func (a *Agent) placeOn(s *policy.Situation, t *target, state actuators.State) {
	owner, ok := s.Owners[policy.CPUs]
	if !ok || s.Host.Skip != "" {
		return
	}
	if owner != t.cfg.Drivers[0] {
		state = t.observer.last(owner).state
	}
	for _, p := range state.Parts {
		if p.Allowed == nil {
			return
		}
		if s.Host.Allowed == nil {
			s.Host.Allowed = p.Allowed
		}
		s.Host.Allowed = s.Host.Allowed.And(p.Allowed)
	}
	s.Host.Topology, s.Host.Pinned = a.topology, a.pinned(t)
}

// pinned are the sets of processors that the other targets on this host keep to, or are about to.
func (a *Agent) pinned(t *target) []policy.Pinned {
	var all []policy.Pinned
	for _, name := range sortedKeys(a.loop.targets) {
		other := a.loop.targets[name]
		if other == t || a.admission(other) != "" {
			continue
		}
		sizes := other.sizesNow()
		q := sizes[policy.CPUs]
		for _, one := range other.open() {
			if one.Resource == policy.CPUs && one.State != actuators.Waiting && one.State != actuators.RollingBack {
				q = one.To
			}
		}
		if cpus := q.IDs(); len(cpus) > 0 {
			bytes, _ := sizes[policy.Memory].Amount()
			all = append(all, policy.Pinned{Target: name, CPUs: cpus, MemoryBytes: bytes})
		}
	}
	return all
}

// sizesNow is what the target had when it was observed last, by now or, if that failed, at its last turn:
// its own turn may come later than that of whom this is asked for.
func (t *target) sizesNow() policy.Size {
	for _, name := range t.cfg.Drivers {
		for _, p := range t.observer.last(name).state.Parts {
			if _, ok := p.Configured[policy.CPUs]; ok {
				return p.Configured
			}
		}
	}
	return t.sizes
}
