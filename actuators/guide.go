package actuators

import (
	"slices"
	"time"

	"github.com/engramd/engramd/policy"
)

// A Guide is one of the vertical scaling procedures of the scaling guide (engram-scaling.md, "Vertical
// Scaling Procedures"), which a person would follow by hand. What an action did is shown beside it.
type Guide struct {
	Name string
	// Expected is the guide's duration of the whole, from the first change until it is in service again,
	// in its own words; Most is its upper end.
	Expected string
	Most     time.Duration
	Steps    []GuideStep
}

// A GuideStep is one step of the guide, or several that engramd does at once.
type GuideStep struct {
	Numbers string // "5", "3-4"; "before" is a prerequisite, "after" what follows the last step
	Text    string
	// Expected is how long it may take, in the guide's own words, "" where it does not say; Most is that
	// as a bound.
	Expected string
	Most     time.Duration
	ops      []string // of [Progress], with ":" and the kind of the driver's step where that matters
}

// GuideFor returns the procedure for targets of a driver.
func GuideFor(driver string) (Guide, bool) {
	g, ok := guides()[driver]
	return g, ok
}

// Step returns the step of the guide that p is.
func (g Guide) Step(p Progress) (GuideStep, bool) {
	i := slices.IndexFunc(g.Steps, func(s GuideStep) bool {
		return slices.Contains(s.ops, p.Op) || p.Kind != "" && slices.Contains(s.ops, p.Op+":"+p.Kind)
	})
	if i < 0 {
		return GuideStep{}, false
	}
	return g.Steps[i], true
}

// Took is how long a restart kept the target busy: from the first thing that others could notice of it
// until it was in service again. It is false for a live change, and while that lasts.
func (a Action) Took() (time.Duration, bool) {
	if a.Plan.Strategy != policy.Restart {
		return 0, false
	}
	var began time.Time
	for _, p := range a.Progress {
		if began.IsZero() && slices.Contains([]string{"others", "enable", "idle", "do"}, p.Op) {
			began = p.At
		}
		if p.Op == "settle" && !began.IsZero() {
			return p.At.Sub(began), true
		}
	}
	return 0, false
}

// guides are the procedures by driver.
func guides() map[string]Guide {
	return map[string]Guide{
		"docker": {
			Name: "Docker Vertical Scaling", Expected: "2-4 minutes (including cold start)", Most: 4 * time.Minute,
			Steps: []GuideStep{
				{Numbers: "before", Text: "backup completed", ops: []string{"backup"}},
				{Numbers: "1", Text: "check current container resources", ops: []string{"look", "baseline"}},
				{Numbers: "2", Text: "enable maintenance mode", ops: []string{"others", "enable"}},
				{Numbers: "3", Text: "wait for in-flight operations", Expected: "30 seconds", Most: 30 * time.Second, ops: []string{"idle"}},
				{Numbers: "4", Text: "stop current container gracefully", Expected: "30 second timeout", Most: 30 * time.Second, ops: []string{"do:quiet", "do:stop"}},
				{Numbers: "5", Text: "remove old container (engramd keeps it until the commit)", ops: []string{"do:rename"}},
				{Numbers: "6", Text: "start new container with increased resources", ops: []string{"do:create", "do:start"}},
				{Numbers: "7", Text: "wait for startup", Expected: "up to 2 minutes", Most: 2 * time.Minute, ops: []string{"health"}},
				{Numbers: "8", Text: "verify resources", ops: []string{"verify"}},
				{Numbers: "9", Text: "disable maintenance mode", ops: []string{"disable"}},
				{Numbers: "10", Text: "run smoke tests", ops: []string{"smoke"}},
				{Numbers: "after", Text: "monitor", Expected: "30 minutes", ops: []string{"settle", "validate"}},
			},
		},
		"kubernetes": {
			Name: "Kubernetes Vertical Scaling", Expected: "3-5 minutes", Most: 5 * time.Minute,
			Steps: []GuideStep{
				{Numbers: "before", Text: "backup completed within last 24 hours", ops: []string{"backup"}},
				{Numbers: "1-2", Text: "check current resource allocation, verify current pod status", ops: []string{"look", "baseline"}},
				{Numbers: "3-4", Text: "update resource limits, which triggers the rolling update", ops: []string{"do:template", "do:resize", "do:scale"}},
				{Numbers: "5", Text: "monitor rollout status", Expected: "timeout 5m", Most: 5 * time.Minute, ops: []string{"do:rollout"}},
				{Numbers: "6-7", Text: "verify new pods are running, check resource allocation", ops: []string{"verify"}},
				{Numbers: "8", Text: "verify application health", ops: []string{"health"}},
				{Numbers: "9", Text: "monitor metrics, then dashboards", Expected: "10 minutes, then 30 minutes", ops: []string{"settle", "validate"}},
			},
		},
		"systemd": {
			Name: "Bare Metal Vertical Scaling", Expected: "1-3 minutes", Most: 3 * time.Minute,
			Steps: []GuideStep{
				{Numbers: "1", Text: "check current resource usage", ops: []string{"look", "baseline", "do:instance"}},
				{Numbers: "2-3", Text: "update systemd service configuration, reload it", ops: []string{"do:set"}},
				{Numbers: "4", Text: "restart service with new limits", ops: []string{"do:restart"}},
				{Numbers: "5", Text: "verify service started successfully", ops: []string{"health"}},
				{Numbers: "6", Text: "check resource allocation", ops: []string{"verify"}},
				{Numbers: "7", Text: "monitor logs for errors", ops: []string{"settle", "validate"}},
			},
		},
	}
}
