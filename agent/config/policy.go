package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/rules"
)

// A policySection says when targets should change, and how: by exactly one of preset, matrix,
// rightsize and schedule.
type policySection struct {
	// Name is what commands and explanations call the policy.
	Name string `yaml:"name"`
	// Target is the target that it is for.
	Target string `yaml:"target,omitempty"`
	// Targets are several targets. The expressions of a matrix then answer for all of them at once, with
	// by (target).
	Targets []string `yaml:"targets,omitempty"`
	// Mode is the target's if it is not said.
	Mode policy.Mode `yaml:"mode,omitempty" oneof:"dry-run approve auto"`
	// Every is how often it is evaluated; metrics.interval if it is not said. A right-size policy takes a step a minute; with a shorter one its
	// rules run as much faster than the clock.
	Every time.Duration `yaml:"every,omitempty"`
	// Preset names a matrix that comes with engramd: engram-cpu, engram-memory, engram-numa,
	// engram-queue, engram-storage or engram-tiers.
	Preset string `yaml:"preset,omitempty"`
	// Matrix is a matrix of one's own.
	Matrix *matrixSection `yaml:"matrix,omitempty"`
	// Rightsize follows the demand, down as well as up.
	Rightsize *rightsizeSection `yaml:"rightsize,omitempty"`
	// Schedule changes limits by the clock.
	Schedule []scheduleSection `yaml:"schedule,omitempty"`
}

// A rightsizeSection follows the demand, down as well as up.
type rightsizeSection struct {
	// Resources are cpu, memory or both.
	Resources []string `yaml:"resources"`
	// Margin is what is kept above the demand.
	Margin percent `yaml:"margin"`
	// History is how long a target may be unseen before what was learned of its demand is forgotten.
	History time.Duration `yaml:"history"`
}

func (s *rightsizeSection) setDefaults() {
	s.Resources, s.Margin, s.History = []string{"cpu", "memory"}, 0.15, 14*24*time.Hour
}

// A scheduleSection changes limits while it is open.
type scheduleSection struct {
	// Cron says when it begins: minute hour day month weekday.
	Cron string `yaml:"cron"`
	// Duration is how long it lasts.
	Duration time.Duration `yaml:"duration"`
	// TimeZone is an IANA name; UTC if it is not said.
	TimeZone string `yaml:"time_zone"`
	// Limits hold during that time.
	Limits limitsSection `yaml:"limits"`
}

func (s *scheduleSection) setDefaults() { s.TimeZone = "UTC" }

// policies resolves the policies.
func (r *resolver) policies() {
	for i := range r.doc.Policies {
		s := &r.doc.Policies[i]
		path := fmt.Sprintf("policies[%d]", i)
		if s.Every == 0 {
			s.Every = r.doc.Metrics.Interval
		}
		r.checkPolicy(s, i, path)
		targets := r.targetsOf(s, path)
		switch {
		case s.Matrix != nil:
			r.ownMatrix(s, targets, path)
		case s.Preset != "":
			r.preset(s, targets, path)
		case s.Rightsize != nil:
			r.rightsize(s, targets, path)
		case s.Schedule != nil:
			r.schedule(s, targets, path)
		}
	}
}

func (r *resolver) checkPolicy(s *policySection, i int, path string) {
	if s.Name == "" {
		r.faultAt(path, "a policy has no name", "add `name:`")
	}
	for j, other := range r.doc.Policies[:i] {
		if other.Name == s.Name && s.Name != "" {
			r.faultAt(path+".name", fmt.Sprintf("there are two policies %q", s.Name), fmt.Sprintf("the other one is on line %d", r.at(fmt.Sprintf("policies[%d].name", j)).Line))
		}
	}
	kinds := 0
	for _, key := range []string{"preset", "matrix", "rightsize", "schedule"} {
		if r.written(path + "." + key) {
			kinds++
		}
	}
	if kinds != 1 {
		r.faultAt(path, fmt.Sprintf("policy %s: want exactly one of preset, matrix, rightsize and schedule", s.Name), "make a policy of each")
	}
	if s.Every < time.Second {
		r.faultAt(path+".every", fmt.Sprintf("policy %s: every: want 1s or more", s.Name), "")
	}
	if s.Mode == policy.Auto && r.doc.Mode == policy.DryRun {
		r.warn(r.at(path+".mode"), fmt.Sprintf("policy %s: mode auto has no effect while the agent's mode is dry-run", s.Name))
	}
}

// targetsOf returns the targets that a policy names.
func (r *resolver) targetsOf(s *policySection, path string) []*Target {
	names, place := s.Targets, func(i int) string { return fmt.Sprintf("%s.targets[%d]", path, i) }
	if s.Target != "" {
		names, place = []string{s.Target}, func(int) string { return path + ".target" }
	}
	switch {
	case s.Target != "" && s.Targets != nil:
		r.faultAt(path+".targets", fmt.Sprintf("policy %s: target and targets exclude each other", s.Name), "")
	case len(names) == 0:
		r.faultAt(path, fmt.Sprintf("policy %s has no target", s.Name), "add `target:`")
	}
	var found []*Target
	for i, name := range names {
		t := r.targetNamed(name)
		switch {
		case t == nil:
			r.faultAt(place(i), fmt.Sprintf("policy %s: there is no target %q", s.Name, name), oneOf(name, r.targetNames()))
		case slices.Contains(found, t):
			r.faultAt(place(i), fmt.Sprintf("policy %s: target %s is there twice", s.Name, name), "")
		default:
			found = append(found, t)
		}
	}
	return found
}

func (r *resolver) targetNamed(name string) *Target {
	for i := range r.cfg.Targets {
		if r.cfg.Targets[i].Name == name {
			return &r.cfg.Targets[i]
		}
	}
	return nil
}

func (r *resolver) targetNames() []string {
	var all []string
	for _, t := range r.cfg.Targets {
		if t.Name != "" && !contains(all, t.Name) {
			all = append(all, t.Name)
		}
	}
	return all
}

// ownMatrix resolves a policy with a matrix of its own.
func (r *resolver) ownMatrix(s *policySection, targets []*Target, path string) {
	f := draft{decoder: r.decoder, path: path + ".matrix", policy: s.Name}
	m := f.matrix(s.Matrix)
	byTarget := s.Target == ""
	for _, name := range slices.Sorted(maps.Keys(s.Matrix.Signals)) {
		r.signal(m, name, s.Matrix.Signals[name], f.path+".signals."+name, targets, byTarget)
	}
	if m == nil {
		return
	}
	f.lint(m, nil)
	r.ownChanges(s, m, targets, f.path)
	r.add(s, m, targets, byTarget, path)
}

// signal checks an expression and expands it for its target.
func (r *resolver) signal(m *policy.Matrix, name, text, path string, targets []*Target, byTarget bool) {
	var expanded string
	switch {
	case !byTarget && len(targets) == 1:
		expanded = r.expr(text, path, targets[0])
		if len(r.cfg.Targets) > 1 && expanded == text && !mentionsTarget(text) {
			r.warn(r.at(path), fmt.Sprintf("signal %s does not select by target, so that it reads the samples of all targets: add {target=\"$target\"}", name))
		}
	case byTarget:
		expanded = r.expr(text, path, nil)
		if lost, err := rules.LosesLabel(expanded, "target"); err == nil && lost {
			r.faultAt(path, fmt.Sprintf("signal %s loses the label target, so that it cannot answer for several targets", name), "aggregate with by (target)")
		}
	}
	if m != nil && expanded != "" {
		m.Signals[name] = expanded
	}
}

func mentionsTarget(expr string) bool { return strings.Contains(expr, "target") }

// ownChanges complains of changes that nothing can carry out.
func (r *resolver) ownChanges(s *policySection, m *policy.Matrix, targets []*Target, path string) {
	check := func(row policy.Row, at string) {
		for _, c := range row.Changes {
			for _, t := range targets {
				if r.owns(t, c.Resource) {
					if c.Resource == policy.CPUs && t.CPUs != "" && acts(row.Do) {
						r.fault(r.atKey(at+".change.cpus"), fmt.Sprintf("policy %s: target %s is kept on its processors (cpus: %s), and this would move it", s.Name, t.Name, t.CPUs), "leave one of the two out")
					}
					continue
				}
				text := fmt.Sprintf("policy %s: nothing of target %s can change %s", s.Name, t.Name, c.Resource)
				if at := at + ".change." + string(c.Resource); acts(row.Do) {
					r.fault(r.atKey(at), text, r.instead(t, c.Resource)+"; `do: plan` makes it advice")
				} else {
					r.warn(r.atKey(at), text+": what the row plans is advice")
				}
			}
		}
	}
	for i, row := range m.Rows {
		check(row, fmt.Sprintf("%s.rows[%d]", path, i))
	}
	if m.Otherwise != nil {
		check(*m.Otherwise, path+".otherwise")
	}
}

// acts reports whether a verdict changes something by itself.
func acts(do []policy.Verdict) bool {
	return slices.Contains(do, policy.Scale) || slices.Contains(do, policy.Emergency)
}

// owns reports whether a driver of the target can change a resource.
func (r *resolver) owns(t *Target, resource policy.Resource) bool {
	return slices.Contains(r.owned(t), resource)
}

func (r *resolver) owned(t *Target) []policy.Resource {
	var all []policy.Resource
	for _, platform := range t.Drivers {
		all = append(all, r.resources(platform)...)
	}
	return all
}

// instead says what to do about a change that nothing of the target can carry out.
func (r *resolver) instead(t *Target, resource policy.Resource) string {
	for _, platform := range t.Drivers {
		if text := r.registry[platform].Instead[resource]; text != "" {
			return text
		}
	}
	return r.ownable(t)
}

func (r *resolver) ownable(t *Target) string {
	var names []string
	for _, resource := range r.owned(t) {
		names = append(names, string(resource))
	}
	slices.Sort(names)
	return "its drivers can change " + strings.Join(slices.Compact(names), ", ")
}

// add completes a policy and puts it into the configuration.
func (r *resolver) add(s *policySection, m *policy.Matrix, targets []*Target, byTarget bool, path string) {
	if len(targets) == 0 {
		return
	}
	m.LongestRange = longestRange(m.Signals)
	p := Policy{Policy: policy.Policy{Name: s.Name, ByTarget: byTarget, Every: s.Every, Mode: s.Mode, Matrix: m}, Preset: s.Preset}
	for _, t := range targets {
		p.Targets = append(p.Targets, t.Name)
	}
	if other, taken := r.madeBy[p.Name]; taken && other.name != r.sectionName(path) {
		r.faultAt(path+".name", fmt.Sprintf("there are two policies %q", p.Name),
			fmt.Sprintf("a preset of several matrices makes a policy of each, with the section's name, a dash and its own; line %d has the other one", r.at(other.path+".name").Line))
	}
	r.madeBy[p.Name] = origin{path, r.sectionName(path)}
	r.cooldowns(&p, targets, path)
	r.unboundedGrowth(&p, targets, path)
	r.checkRanges(&p, path)
	r.cfg.Policies = append(r.cfg.Policies, p)
}

// An origin is the section that a policy came from. Two sections of one name have been complained of.
type origin struct{ path, name string }

func (r *resolver) sectionName(path string) string {
	for i := range r.doc.Policies {
		if fmt.Sprintf("policies[%d]", i) == path {
			return r.doc.Policies[i].Name
		}
	}
	return ""
}

// cooldowns notes the cooldown in effect, and says so where fresh evidence takes longer than what is
// configured.
func (r *resolver) cooldowns(p *Policy, targets []*Target, path string) {
	for _, t := range targets {
		up := r.longestCooldown(p.Matrix, t, t.Safety.CooldownUp, mayGrow)
		p.CooldownUp = max(p.CooldownUp, up)
		p.CooldownDown = max(p.CooldownDown, r.longestCooldown(p.Matrix, t, t.Safety.CooldownDown, mayShrink))
		if up > t.Safety.CooldownUp {
			r.warnOf(t, r.at(path), fmt.Sprintf("policy %s: two growths of %s are at least %s apart, not %s: evidence must be newer than the change (longest range %s + for + settle %s)",
				p.Name, targetHere, formatDuration(up), formatDuration(t.Safety.CooldownUp), formatDuration(p.Matrix.LongestRange), formatDuration(t.Procedure.Validation.Settle)))
		}
	}
}

func mayGrow(c policy.Change) bool { return c.By == nil || c.By.Factor > 1 || c.By.Add > 0 }

func mayShrink(c policy.Change) bool {
	return !c.Resource.IsOperation() && (c.To == nil || !c.To.Max) && (c.By == nil || c.By.Factor != 0 && c.By.Factor < 1 || c.By.Add < 0)
}

// longestCooldown is the longest effective cooldown of the rows that change something of t by
// themselves, in the direction that counts.
func (r *resolver) longestCooldown(m *policy.Matrix, t *Target, configured time.Duration, counts func(policy.Change) bool) time.Duration {
	longest := configured
	row := func(number int, row policy.Row) {
		changes := func(c policy.Change) bool { return counts(c) && r.owns(t, c.Resource) }
		if acts(row.Do) && slices.ContainsFunc(row.Changes, changes) {
			longest = max(longest, m.EffectiveCooldown(number, configured, t.Procedure.Validation.Settle))
		}
	}
	for i := range m.Rows {
		row(i+1, m.Rows[i])
	}
	if m.Otherwise != nil {
		row(0, *m.Otherwise)
	}
	return longest
}

// unboundedGrowth warns of growth to the maximum where only the host, which is not known here, bounds
// it.
func (r *resolver) unboundedGrowth(p *Policy, targets []*Target, path string) {
	for _, t := range targets {
		for _, row := range p.Matrix.Rows {
			for _, c := range row.Changes {
				if c.To != nil && c.To.Max && c.Cap.IsUnset() && t.Limits[c.Resource].Max.IsUnset() && r.owns(t, c.Resource) {
					r.warnOf(t, r.at(path), fmt.Sprintf("policy %s: nothing but the host bounds `%s: {to: max}` of %s: limits.%s.max is not set", p.Name, c.Resource, targetHere, c.Resource))
				}
			}
		}
	}
}

// checkRanges warns of ranges that the samples cannot fill.
func (r *resolver) checkRanges(p *Policy, path string) {
	at := r.at(path)
	if p.Matrix.LongestRange > r.doc.Metrics.Retention {
		r.warn(at, fmt.Sprintf("policy %s looks back %s, and samples are kept for %s only", p.Name, formatDuration(p.Matrix.LongestRange), formatDuration(r.doc.Metrics.Retention)))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Matrix.Signals)) {
		if shortest, err := rules.ShortestRange(p.Matrix.Signals[name]); err == nil && shortest > 0 && shortest < 2*r.doc.Metrics.Interval {
			r.warn(at, fmt.Sprintf("policy %s: signal %s has a range of %s, which may hold fewer than two samples at an interval of %s: it will often be unknown",
				p.Name, name, formatDuration(shortest), formatDuration(r.doc.Metrics.Interval)))
		}
	}
}
