package systemd

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// Plan lists the steps that take the unit to a size: live, unless the target's apply asks for a
// restart.
func (d *Driver) Plan(t policy.Target, from actuators.State, to policy.Size) (actuators.Plan, error) {
	if len(from.Parts) != 1 {
		return actuators.Plan{}, fmt.Errorf("%w: %s: want one unit, got %d", actuators.ErrNotFound, t.Name, len(from.Parts))
	}
	part := from.Parts[0]
	var f facts
	if err := json.Unmarshal(part.Raw, &f); err != nil {
		return actuators.Plan{}, fmt.Errorf("systemd: the observed state of %s makes no sense: %w", t.Name, err)
	}
	p := planner{target: t, facts: f}
	if err := f.possible(); err != nil {
		return actuators.Plan{}, err
	}
	for _, r := range d.Resources() {
		q, asked := to[r]
		if !asked || actuators.Same(r, part.Configured[r], q) && actuators.Same(r, part.Effective[r], q) {
			continue
		}
		if err := p.add(r, part, q); err != nil {
			return actuators.Plan{}, err
		}
	}
	for r := range to {
		if !slices.Contains(d.Resources(), r) {
			return actuators.Plan{}, fmt.Errorf("%w: systemd cannot change %s", actuators.ErrRefused, r)
		}
	}
	if len(p.restart) > 0 {
		return p.planRestart()
	}
	return p.plan(policy.Live, p.steps), nil
}

// A planner gathers what a plan changes.
type planner struct {
	target  policy.Target
	facts   facts
	steps   []actuators.Step
	changes []change
	restart []string // why it is not done live
	notes   []string
}

// possible refuses units that belong to somebody else, or have no processes to limit.
func (f facts) possible() error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s %s", actuators.ErrRefused, f.Unit, fmt.Sprintf(format, args...))
	}
	systemctl := strings.Join(f.systemctl(), " ")
	switch {
	case f.Owner != "":
		return refuse("belongs to %s, which sets its limits: make it a target of that platform", f.Owner)
	case f.Active == "active" && f.Sub == "exited":
		return refuse("has ended and counts as active (RemainAfterExit): nothing runs in it that a limit could hold; name the unit of the processes it started")
	case f.Active == "failed":
		return refuse("has failed: find out why with %s status %s, then %[1]s restart %[2]s", systemctl, f.Unit)
	case !f.Running:
		return refuse("is %s (%s), not running: %s start %s; a oneshot service that only runs now and then cannot be resized live", f.Active, f.Sub, systemctl, f.Unit)
	case f.Cgroup == "":
		return refuse("has no control group: nothing runs in it")
	case f.Closed != "":
		return refuse("cannot be changed so that it could be undone, because drop-ins cannot be written: %s: run engramd as root, with ReadWritePaths=/etc/systemd /run/systemd in its own unit", f.Closed)
	}
	return nil
}

// add plans the change of one resource.
func (p *planner) add(r policy.Resource, part actuators.Part, to policy.Quantity) error {
	var settings []setting
	var err error
	switch r {
	case policy.CPU:
		settings, err = p.cpu(to)
	case policy.CPUs:
		settings, err = p.cpus(to)
	default:
		settings, err = p.memory(to)
	}
	if err != nil {
		return err
	}
	switch p.target.Apply[r] {
	case policy.ApplyRestart:
		p.restart = append(p.restart, fmt.Sprintf("apply says that %s needs a restart", r))
	case policy.ApplyGrowLive:
		if smaller(to, part.Effective[r]) {
			p.restart = append(p.restart, fmt.Sprintf("apply says that less %s needs a restart", r))
		}
	}
	return p.set(settings)
}

// smaller reports whether a is less than b.
func smaller(a, b policy.Quantity) bool {
	if set, ok := a.Set(); ok {
		_, also := b.Set()
		return !also || len(a.IDs()) < len(b.IDs()) && set != ""
	}
	n, limited := a.Amount()
	m, ok := b.Amount()
	return limited && (!ok || n < m)
}

// set adds the step of some settings, each on its way.
func (p *planner) set(settings []setting) error {
	c := change{Unit: p.facts.Unit, Runtime: p.facts.Runtime, Control: p.facts.Control, Own: p.facts.Own}
	e := earlier{}
	var words, back []string
	for _, s := range settings {
		l := p.facts.Layers[s.Key]
		if s.Value == l.Value && s.Key != memoryHigh { // which a shrink needs on its way
			continue
		}
		s.Way = byKeeping
		if s.Value != l.Value {
			w, err := l.wayTo(s.Key, s.Value)
			if err != nil {
				return fmt.Errorf("%w: %s of %s: %w", actuators.ErrRefused, s.Key, c.Unit, err)
			}
			s.Way = w
		}
		c.Settings = append(c.Settings, s)
		e.Settings = append(e.Settings, kept{l.Value, l.Control, l.Own, l.Ours})
		if s.Value != l.Value {
			words = append(words, fmt.Sprintf("%s %s -> %s", s.Key, shown(l.Value), shown(s.Value)))
			back = append(back, fmt.Sprintf("%s %s -> %s", s.Key, shown(s.Value), shown(l.Value)))
		}
		if s.Way == byDropIn && l.Beaten != "" {
			p.note("%s sets %s too, which a daemon-reload would bring back, so the change is written to %s", l.Beaten, s.Key, OwnDropIn)
		}
	}
	p.changes = append(p.changes, c)
	p.steps = append(p.steps, actuators.Step{
		Kind: kindSet, Args: actuators.Encode(c), UndoArgs: actuators.Encode(e),
		Text:     "set " + c.Unit + " " + strings.Join(words, ", "),
		UndoText: "give back " + c.Unit + " " + strings.Join(back, ", "),
	})
	return nil
}

func (p *planner) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(p.notes, n) {
		p.notes = append(p.notes, n)
	}
}

// shown writes a value for people.
func shown(value string) string {
	if value == "" {
		return "unset"
	}
	return value
}

// plan puts a plan together.
func (p *planner) plan(strategy policy.Strategy, steps []actuators.Step) actuators.Plan {
	f := p.facts
	if f.Transient {
		p.note("%s is transient: the change ends with it", f.Unit)
	} else if f.Runtime {
		p.note("the change ends with the host's uptime: persistent: true keeps it over a reboot")
	}
	if f.Pending {
		p.note("unit files of %s were changed and not loaded: a daemon-reload that this change needs, or its undo, loads them", f.Unit)
	}
	return actuators.Plan{Strategy: strategy, Steps: steps, Command: p.command(strategy), Notes: p.notes}
}
