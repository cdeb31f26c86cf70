package agent

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

// scheduled returns the limits of a target as they hold now, and what its schedules propose so that it
// keeps to them. The stricter of several hours that are open at once holds.
func (a *Agent) scheduled(s policy.Situation) (map[policy.Resource]policy.Bounds, []policy.Proposal) {
	limits := maps.Clone(s.Target.Limits)
	if limits == nil {
		limits = map[policy.Resource]policy.Bounds{}
	}
	var all []policy.Proposal
	for _, p := range a.loop.cfg.Schedules {
		if !slices.Contains(p.Targets, s.Target.Name) {
			continue
		}
		for _, hours := range p.Hours {
			open, now := hours.Window.Open(s.Now)
			if !now {
				continue
			}
			for _, r := range sortedKeys(hours.Limits) {
				limits[r] = narrowed(limits[r], hours.Limits[r])
				if proposal, ok := proposalOfHours(p, r, hours.Limits[r], open, s); ok {
					all = append(all, proposal)
				}
			}
		}
	}
	return limits, all
}

// narrowed are the bounds that hold where others do, too.
func narrowed(b, by policy.Bounds) policy.Bounds {
	least, has := b.Min.Amount()
	if n, ok := by.Min.Amount(); ok && (!has || n > least) {
		b.Min = by.Min
	}
	most, has := b.Max.Amount()
	if n, ok := by.Max.Amount(); ok && (!has || n < most) {
		b.Max = by.Max
	}
	return b
}

// proposalOfHours proposes the nearest size within the bounds, if the target is outside.
func proposalOfHours(p config.Schedule, r policy.Resource, b policy.Bounds, open policy.Opening, s policy.Situation) (policy.Proposal, bool) {
	size, seen := s.Sizes[r]
	if !seen {
		return policy.Proposal{}, false
	}
	n, limited := size.Amount()
	least, hasMin := b.Min.Amount()
	most, hasMax := b.Max.Amount()
	var to int64
	switch {
	case hasMin && limited && n < least:
		to = least
	case hasMax && (!limited || n > most):
		to = most
	default:
		return policy.Proposal{}, false
	}
	return policy.Proposal{
		Policy: p.Name, Source: policy.FromSchedule, Row: -1, Verdict: policy.Scale, Mode: p.Mode,
		Condition: fmt.Sprintf("its hours are open until %s", open.Closes.Format(time.RFC3339)),
		Why:       fmt.Sprintf("schedule %s: %s", p.Name, boundsText(r, b)),
		Change:    policy.Change{Resource: r, To: &policy.To{Amount: to}},
	}, true
}

func boundsText(r policy.Resource, b policy.Bounds) string {
	switch {
	case b.Min.IsUnset():
		return fmt.Sprintf("%s at most %s", r, r.Format(b.Max))
	case b.Max.IsUnset():
		return fmt.Sprintf("%s at least %s", r, r.Format(b.Min))
	}
	return fmt.Sprintf("%s from %s to %s", r, r.Format(b.Min), r.Format(b.Max))
}

// hoursOpen reports whether a schedule has hours that are open and bound a resource.
func (a *Agent) hoursOpen(name string, r policy.Resource, now time.Time) bool {
	for _, p := range a.loop.cfg.Schedules {
		for _, hours := range p.Hours {
			_, bound := hours.Limits[r]
			if _, open := hours.Window.Open(now); open && bound && p.Name == name {
				return true
			}
		}
	}
	return false
}
