package docker

import (
	"fmt"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// planRestart lists the steps of a recreate.
func (p *planner) planRestart() (actuators.Plan, error) {
	if err := p.restartable(p.restart...); err != nil {
		return actuators.Plan{}, err
	}
	r := p.recreation()
	step := func(kind, text string) actuators.Step {
		return actuators.Step{Kind: kind, Args: actuators.Encode(r), Text: text}
	}
	var steps []actuators.Step
	if !r.Restart.none() {
		steps = append(steps, step(kindQuiet, fmt.Sprintf("switch the restart policy of %s off (it is %s)", r.Name, r.Restart.Name)))
	}
	steps = append(steps,
		step(kindStop, "stop "+r.Name),
		step(kindRename, fmt.Sprintf("rename %s to %s", r.Name, r.Kept)),
		step(kindCreate, fmt.Sprintf("create %s with %s from image %s", r.Name, r.sizes(), shortImage(r.Image))),
		step(kindStart, "start "+r.Name),
	)
	return actuators.Plan{
		Strategy: policy.Restart,
		Steps:    steps,
		Command:  p.restartCommand(r),
		Notes:    append(p.notes, p.restartNotes(r)...),
	}, nil
}

// recreation is what all steps of a recreate know.
func (p *planner) recreation() recreation {
	f := p.facts
	r := recreation{ID: f.ID, Name: f.Name, Kept: keptName(f.Name, f.ID), Image: f.Image, Restart: f.Restart, MACs: f.MACs}
	if p.cpu != nil {
		r.CPU = &p.cpu.new
	}
	if p.memory != nil {
		r.Memory = &p.memory.new
	}
	if p.cpuset != nil {
		r.Cpuset = &p.cpuset.new
	}
	if p.target.StopTimeout > 0 {
		seconds := int((p.target.StopTimeout + 999_999_999) / 1_000_000_000)
		r.StopSeconds = &seconds
	}
	return r
}

// restartable refuses containers that a recreate would harm.
func (p *planner) restartable(why ...string) error {
	f := p.facts
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s would have to be recreated (%s): %s", actuators.ErrRefused, f.Name,
			strings.Join(why, "; "), fmt.Sprintf(format, args...))
	}
	switch {
	case f.AutoRemove:
		return refuse("it was started with --rm and is gone once it stops, so there would be no way back: start it without --rm")
	case f.JoinedUnknown != "":
		return refuse("whether other containers use its network or volumes could not be found out: %s", f.JoinedUnknown)
	case len(f.JoinedBy) > 0:
		return refuse("other containers use it and would lose it: %s: recreate them together by hand, or give them a network or volume of their own",
			strings.Join(f.JoinedBy, ", "))
	case len(f.Nameless) > 0:
		return refuse("the volume at %s has no name by which a new container could get it: name it", strings.Join(f.Nameless, ", "))
	case f.Status != "running":
		return refuse("it is %s: only a running container is recreated; %s", f.Status, remedyFor(f.Status, f.Name))
	}
	return nil
}

func remedyFor(status, name string) string {
	switch status {
	case "paused":
		return "docker unpause " + name
	case "restarting":
		return "find out why it crashes: docker logs " + name
	}
	return "docker start " + name
}

func (p *planner) restartNotes(r recreation) []string {
	f := p.facts
	notes := []string{fmt.Sprintf("recreated because %s; the old container is kept, stopped, as %s until the change is committed", strings.Join(p.restart, "; "), r.Kept)}
	if f.Compose != "" {
		notes = append(notes, fmt.Sprintf("until then `docker compose ps -a` shows %s too, since labels cannot be changed: do not run `docker compose up` for %s before the commit", r.Kept, f.Compose))
	}
	if len(f.Anonymous) > 0 {
		notes = append(notes, "volumes without a name of their own are carried over by their generated one: "+strings.Join(f.Anonymous, ", "))
	}
	if len(f.RandomPorts) > 0 {
		notes = append(notes, "Docker will choose the host ports anew for "+strings.Join(f.RandomPorts, ", "))
	}
	return notes
}
