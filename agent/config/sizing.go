package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/rightsize"
)

// A Rightsize is a policy that follows the demand of its targets.
type Rightsize struct {
	Name      string
	Targets   []string
	Mode      policy.Mode
	Resources []policy.Resource
	// Margin is what is kept above the recent demand, as a fraction.
	Margin float64
	// Every is how long one step takes, which is a minute of the policy's own rules.
	Every time.Duration
	// History is how long a target may be unseen before what was learned of it is forgotten.
	History time.Duration
}

// A Schedule bounds its targets at certain hours.
type Schedule struct {
	Name    string
	Targets []string
	Mode    policy.Mode
	Hours   []ScheduledLimits
}

// ScheduledLimits hold while their window is open.
type ScheduledLimits struct {
	Window *policy.MaintenanceWindow
	Limits map[policy.Resource]policy.Bounds
}

// The step of a right-size policy: shorter ones run its rules faster than the clock, as tests do.
const (
	rightsizeStep     = time.Minute
	rightsizeLongest  = 5 * time.Minute
	rightsizeShortest = time.Second
)

// rightsize resolves a policy that follows the demand.
func (r *resolver) rightsize(s *policySection, targets []*Target, path string) {
	p := Rightsize{Name: s.Name, Mode: s.Mode, Margin: float64(s.Rightsize.Margin), Every: s.Every, History: s.Rightsize.History}
	if !r.written(path + ".every") {
		p.Every = rightsizeStep
	}
	at := path + ".rightsize"
	if p.Every < rightsizeShortest || p.Every > rightsizeLongest {
		r.faultAt(path+".every", fmt.Sprintf("policy %s: every: want %s to %s for a right-size policy", s.Name, formatDuration(rightsizeShortest), formatDuration(rightsizeLongest)), "leave it out: 1m")
	}
	if p.History < time.Hour {
		r.faultAt(at+".history", fmt.Sprintf("policy %s: history: want 1h or more", s.Name), "")
	}
	if err := (rightsize.Options{Max: 1, Margin: p.Margin, Busy: 1}).Validate(); err != nil {
		r.faultAt(at+".margin", fmt.Sprintf("policy %s: %v", s.Name, err), "")
	}
	if len(s.Rightsize.Resources) == 0 {
		r.faultAt(at+".resources", fmt.Sprintf("policy %s sizes nothing", s.Name), "want cpu, memory or both")
	}
	for i, text := range s.Rightsize.Resources {
		place := fmt.Sprintf("%s.resources[%d]", at, i)
		resource := policy.Resource(text)
		switch {
		case resource != policy.CPU && resource != policy.Memory:
			r.faultAt(place, fmt.Sprintf("policy %s: a right-size policy cannot size %.40q", s.Name, text), oneOf(text, []string{"cpu", "memory"}))
			continue
		case slices.Contains(p.Resources, resource):
			r.faultAt(place, fmt.Sprintf("policy %s: %s is there twice", s.Name, resource), "")
			continue
		}
		p.Resources = append(p.Resources, resource)
		for _, t := range targets {
			r.rightsizeOf(s, t, resource, place)
		}
	}
	for _, t := range targets {
		p.Targets = append(p.Targets, t.Name)
	}
	r.cfg.Rightsize = append(r.cfg.Rightsize, p)
}

// rightsizeOf checks that one policy, and only one, follows a resource that can be changed.
func (r *resolver) rightsizeOf(s *policySection, t *Target, resource policy.Resource, place string) {
	if !r.owns(t, resource) {
		r.warn(r.at(place), fmt.Sprintf("policy %s: nothing of target %s can change %s: what it finds is advice; %s", s.Name, t.Name, resource, r.ownable(t)))
	}
	for _, other := range r.cfg.Rightsize {
		if slices.Contains(other.Targets, t.Name) && slices.Contains(other.Resources, resource) {
			r.faultAt(place, fmt.Sprintf("policies %s and %s both follow %s of target %s", other.Name, s.Name, resource, t.Name), "leave one out")
		}
	}
	if b := t.Limits[resource]; b.Max.IsUnset() && r.owns(t, resource) {
		if who := r.admission(t); who != "" {
			r.warnOf(t, r.at(place), fmt.Sprintf("policy %s: limits.%s.max of %s is not set, and %s decides what there is room for: %[2]s is not sized until it is", s.Name, resource, targetHere, who))
			return
		}
		r.warnOf(t, r.at(place), fmt.Sprintf("policy %s: nothing but the host bounds %s of %s: limits.%s.max is not set", s.Name, resource, targetHere, resource))
	}
}

// admission names who judges whether there is room for a target, "" for the agent on its own host.
func (r *resolver) admission(t *Target) string {
	for _, platform := range t.Drivers {
		if who := r.registry[platform].Admission; who != "" {
			return who
		}
	}
	return ""
}

// schedule resolves a policy that bounds targets by the clock.
func (r *resolver) schedule(s *policySection, targets []*Target, path string) {
	p := Schedule{Name: s.Name, Mode: s.Mode}
	for _, t := range targets {
		p.Targets = append(p.Targets, t.Name)
	}
	for i := range s.Schedule {
		one, at := &s.Schedule[i], fmt.Sprintf("%s.schedule[%d]", path, i)
		before := len(r.faults)
		r.checkWindow(windowSection{Name: s.Name, Cron: one.Cron, Duration: one.Duration, TimeZone: one.TimeZone}, at)
		hours := ScheduledLimits{Limits: r.bounds(one.Limits, at+".limits")}
		if len(hours.Limits) == 0 {
			r.faultAt(at, fmt.Sprintf("policy %s: a schedule without limits", s.Name), "add `limits: {cpu: {min: 2}}`")
		}
		r.checkScheduled(s, targets, one.Limits)
		if len(r.faults) > before {
			continue
		}
		loc, err := time.LoadLocation(one.TimeZone)
		if err == nil {
			hours.Window, err = policy.ParseMaintenanceWindow(s.Name, one.Cron, one.Duration, loc)
		}
		if err != nil { // it was checked
			r.faultAt(at, err.Error(), "")
			continue
		}
		p.Hours = append(p.Hours, hours)
	}
	r.cfg.Schedules = append(r.cfg.Schedules, p)
}

// checkScheduled compares limits by the clock with those of the targets.
func (r *resolver) checkScheduled(s *policySection, targets []*Target, limits limitsSection) {
	for _, one := range limits {
		b := one.Bounds
		if len(b.Steps) > 0 || b.MaxStepUp != 0 || b.MaxStepDown != 0 || b.Reservation != 0 || b.Swap != "" {
			r.faultAt(one.path, fmt.Sprintf("policy %s: a schedule has min and max only", s.Name), "say the others in the target's limits")
		}
		for _, t := range targets {
			if !r.owns(t, one.Resource) {
				r.warn(r.at(one.path), fmt.Sprintf("policy %s: nothing of target %s can change %s", s.Name, t.Name, one.Resource))
			}
			least, has := r.amount(one.Resource, b.Min, one.path+".min").Amount()
			if most, bounded := t.Limits[one.Resource].Max.Amount(); has && bounded && least > most {
				r.faultAt(one.path+".min", fmt.Sprintf("policy %s: min %s is above the maximum of target %s, %s", s.Name, b.Min, t.Name, one.Resource.Format(policy.Amount(most))), "")
			}
		}
	}
}
