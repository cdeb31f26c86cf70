package agent

import (
	"slices"
	"time"

	"github.com/engramd/engramd/agent/config"
)

// A field is what must be looked at together to be decided together: targets that share policies, and
// of these policies those whose turn it is.
type field struct {
	targets []string
	due     []config.Policy
}

// fields divides the targets that are not being looked at.
func (a *Agent) fields(now time.Time) []field {
	of := map[string]int{} // the field of each target
	var all []field
	for _, p := range a.loop.cfg.Policies {
		into := len(all)
		all = append(all, field{})
		if a.isDue(p, now) {
			all[into].due = append(all[into].due, p)
		}
		for _, name := range p.Targets {
			if a.loop.targets[name] == nil {
				continue
			}
			if from, ok := of[name]; ok && from != into { // the policy joins the two
				for _, joined := range all[from].targets {
					of[joined] = into
				}
				all[into].targets = append(all[into].targets, all[from].targets...)
				all[into].due = append(all[from].due, all[into].due...)
				all[from] = field{}
			} else if !ok {
				of[name] = into
				all[into].targets = append(all[into].targets, name)
			}
		}
	}
	for _, name := range a.loop.names() {
		if _, ok := of[name]; !ok {
			all = append(all, field{targets: []string{name}})
		}
	}
	return slices.DeleteFunc(all, func(f field) bool {
		return len(f.targets) == 0 || slices.ContainsFunc(f.targets, func(name string) bool { return a.loop.looking[name] })
	})
}

// isDue reports whether it is a policy's turn. A quarter of an interval early counts, or a ticker that
// drifts would skip every other turn; so does a clock that went back.
func (a *Agent) isDue(p config.Policy, now time.Time) bool {
	return slices.ContainsFunc(p.Targets, func(name string) bool {
		t := a.loop.targets[name]
		if t == nil {
			return false
		}
		last := t.policy(p.Name).at
		return now.Before(last) || now.Sub(last) >= p.Every-p.Every/4
	})
}
