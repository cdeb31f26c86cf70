package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// before is what a plan needs to know of a container: Part.Raw.
type before struct {
	ID      string            `json:"id"`
	Sizes   policy.Size       `json:"sizes"`
	Restart []policy.Resource `json:"restart,omitempty"`
}

// setting is the argument of an update: one resource of one container.
type setting struct {
	ID       string          `json:"id"`
	Resource policy.Resource `json:"resource"`
	Quantity policy.Quantity `json:"quantity"`
	Half     string          `json:"half,omitempty"` // high or max: memory is set in two halves
}

// recreation is the argument of the steps of a restart.
type recreation struct {
	ID    string      `json:"id"` // of the old container
	Sizes policy.Size `json:"sizes,omitempty"`
}

// Plan implements [actuators.Driver]. A live memory limit takes two steps, as on systemd: the order
// lets reclaim work before the hard limit bites.
func (d *Driver) Plan(t policy.Target, from actuators.State, to policy.Size) (actuators.Plan, error) {
	if f := d.due("plan", ""); f != nil {
		return actuators.Plan{}, f.Err
	}
	name := nameOf(t)
	if len(from.Parts) != 1 {
		return actuators.Plan{}, fmt.Errorf("%w: %s has %d parts, want 1", actuators.ErrRefused, name, len(from.Parts))
	}
	var b before
	if err := json.Unmarshal(from.Parts[0].Raw, &b); err != nil {
		return actuators.Plan{}, fmt.Errorf("%w: the state of %s is not from this driver: %w", actuators.ErrRefused, name, err)
	}
	var steps []actuators.Step
	for _, res := range slices.Sorted(mapKeys(to)) {
		switch q := to[res]; {
		case !slices.Contains(d.Resources(), res):
			return actuators.Plan{}, fmt.Errorf("%w: this platform has no %s", actuators.ErrRefused, res)
		case res.IsOperation():
			steps = append(steps, actuators.Step{Kind: "operate", Args: encode(setting{ID: b.ID, Resource: res}), Irreversible: true, Text: string(res)})
		case res == policy.Memory && !positive(q):
			return actuators.Plan{}, fmt.Errorf("%w: memory %s: want at least one byte", actuators.ErrRefused, q)
		case slices.Contains(b.Restart, res), t.Apply[res] == policy.ApplyRestart:
			return recreate(name, b, to), nil
		default:
			steps = append(steps, update(b, res, q)...)
		}
	}
	return actuators.Plan{Strategy: policy.Live, Steps: steps, Command: command("fake update", name, to)}, nil
}

func positive(q policy.Quantity) bool {
	n, amount := q.Amount()
	return !amount || n > 0
}

func update(b before, res policy.Resource, to policy.Quantity) []actuators.Step {
	was := b.Sizes[res]
	step := func(half string) actuators.Step {
		what := string(res)
		if half != "" {
			what += "." + half
		}
		return actuators.Step{
			Kind:     "update",
			Text:     fmt.Sprintf("update %s %s -> %s", what, res.Format(was), res.Format(to)),
			UndoText: fmt.Sprintf("update %s %s -> %s", what, res.Format(to), res.Format(was)),
			Args:     encode(setting{b.ID, res, to, half}),
			UndoArgs: encode(setting{b.ID, res, was, half}),
		}
	}
	if res != policy.Memory {
		return []actuators.Step{step("")}
	}
	return []actuators.Step{step("high"), step("max")}
}

func recreate(name string, b before, to policy.Size) actuators.Plan {
	sizes := clone(b.Sizes)
	maps.Copy(sizes, to)
	var steps []actuators.Step
	for _, kind := range []string{"stop", "rename", "create", "start"} {
		args := encode(recreation{ID: b.ID, Sizes: sizes})
		steps = append(steps, actuators.Step{Kind: kind, Args: args, UndoArgs: args, Text: kind + " " + name})
	}
	return actuators.Plan{Strategy: policy.Restart, Steps: steps, Command: command("fake recreate", name, to)}
}

func command(verb, name string, to policy.Size) string {
	for _, res := range slices.Sorted(mapKeys(to)) {
		verb += fmt.Sprintf(" --%s=%s", res, res.Format(to[res]))
	}
	return verb + " " + name
}

func mapKeys(s policy.Size) func(yield func(policy.Resource) bool) {
	return func(yield func(policy.Resource) bool) {
		for res := range s {
			if !yield(res) {
				return
			}
		}
	}
}

func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs of strings and numbers
	}
	return b
}

// Do implements [actuators.Driver].
func (d *Driver) Do(ctx context.Context, t policy.Target, s actuators.Step) error {
	return d.faulty(ctx, "do", s.Kind, func() error { return d.change(nameOf(t), s.Kind, s.Args, false) })
}

// Undo implements [actuators.Driver].
func (d *Driver) Undo(ctx context.Context, t policy.Target, s actuators.Step) error {
	return d.faulty(ctx, "undo", s.Kind, func() error { return d.change(nameOf(t), s.Kind, s.UndoArgs, true) })
}

// Finish implements [actuators.Finisher]: the old container goes.
func (d *Driver) Finish(ctx context.Context, t policy.Target, steps []actuators.Step) error {
	return d.faulty(ctx, "finish", "", func() error {
		sv := d.services[nameOf(t)]
		for _, s := range steps {
			var args recreation
			if s.Kind != "create" || json.Unmarshal(s.Args, &args) != nil {
				continue
			}
			sv.containers = slices.DeleteFunc(sv.containers, func(c *container) bool { return c.id == args.ID && !c.running })
		}
		return nil
	})
}

func (d *Driver) change(name, kind string, args json.RawMessage, undo bool) error {
	sv := d.services[name]
	if sv == nil {
		return fmt.Errorf("%w: no service %s", actuators.ErrNotFound, name)
	}
	defer sv.remember(name)
	switch kind {
	case "operate":
		return nil
	case "update":
		var s setting
		if err := json.Unmarshal(args, &s); err != nil {
			return fmt.Errorf("%w: update: %w", actuators.ErrRefused, err)
		}
		return sv.update(s)
	}
	var re recreation
	if err := json.Unmarshal(args, &re); err != nil {
		return fmt.Errorf("%w: %s: %w", actuators.ErrRefused, kind, err)
	}
	if undo {
		return d.unmake(sv, name, kind, re)
	}
	return d.remake(sv, name, kind, re)
}

func (sv *service) update(s setting) error {
	c := sv.byID(s.ID)
	if c == nil {
		return fmt.Errorf("%w: container %s", actuators.ErrNotFound, s.ID)
	}
	if s.Half == "high" {
		c.high = s.Quantity
		return nil
	}
	set(c.configured, s.Resource, s.Quantity)
	set(c.effective, s.Resource, s.Quantity)
	sv.squeeze(c)
	return nil
}

// set keeps unset what is to be unset: absent.
func set(sizes policy.Size, res policy.Resource, q policy.Quantity) {
	if q.IsUnset() {
		delete(sizes, res)
		return
	}
	sizes[res] = q
}

// remake does one step of a restart; each can be done again.
func (d *Driver) remake(sv *service, name, kind string, re recreation) error {
	old, fresh := sv.byID(re.ID), sv.replacement(re.ID)
	if old == nil {
		return fmt.Errorf("%w: container %s", actuators.ErrNotFound, re.ID)
	}
	switch kind {
	case "stop":
		old.running = false
	case "rename":
		old.name = name + ".old"
	case "create":
		if fresh == nil {
			fresh = d.create(sv, name, re.Sizes)
			fresh.behaviour = sv.Recreated
		}
	case "start":
		switch {
		case fresh == nil:
			return fmt.Errorf("%w: the new container of %s", actuators.ErrNotFound, name)
		case old.running:
			return fmt.Errorf("%w: the old container of %s runs", actuators.ErrRefused, name)
		}
		if !fresh.running {
			fresh.startedAt = sv.start(fresh)
		}
	}
	return nil
}

// unmake undoes one step of a restart, whether or not it was done.
func (d *Driver) unmake(sv *service, name, kind string, re recreation) error {
	old, fresh := sv.byID(re.ID), sv.replacement(re.ID)
	if old == nil {
		return fmt.Errorf("%w: the old container of %s was cleared away: change it back instead", actuators.ErrRefused, name)
	}
	switch kind {
	case "start":
		if fresh != nil {
			fresh.running = false
		}
	case "create":
		if fresh != nil {
			sv.containers = slices.DeleteFunc(sv.containers, func(c *container) bool { return c == fresh })
		}
	case "rename":
		old.name = name
	case "stop":
		if !old.running {
			old.running = true
			old.startedAt = sv.start(old)
		}
	}
	return nil
}

// replacement is the container that was created after the one with id.
func (sv *service) replacement(id string) *container {
	for i, c := range sv.containers {
		if c.id == id && i+1 < len(sv.containers) {
			return sv.containers[i+1]
		}
	}
	return nil
}
