package agent

import (
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// platformsSay is what the target's drivers find wrong with a resource of it, "" with any, and what to do
// about it; "" if nothing is.
func (a *Agent) platformsSay(t *target, r policy.Resource) string {
	var said []string
	for _, name := range t.cfg.Drivers {
		d, ok := a.drivers[name].(actuators.Diagnoser)
		seen := t.observer.last(name)
		if !ok || seen.err != nil {
			continue
		}
		for _, f := range d.Diagnose(t.cfg.Target, seen.state) {
			if r == "" || f.What == string(r) {
				said = append(said, strings.TrimSuffix(f.Detail+": "+f.Remedy, ": "))
			}
		}
	}
	return strings.Join(said, "; ")
}

// and adds what a platform says to what the measurements say.
func and(summary, platform string) string {
	if platform == "" {
		return summary
	}
	return summary + "; " + platform
}
