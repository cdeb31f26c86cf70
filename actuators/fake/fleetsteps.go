package fake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// resize is the argument of a fleet's steps: one pod's, or, without one, what late pods get.
type resize struct {
	ID       string          `json:"id,omitempty"`
	Resource policy.Resource `json:"resource"`
	To       policy.Quantity `json:"to"`
	// Late is what late pods got before; From what the pods had, which late ones that have To by the
	// time of an undo go back to. Planned are the pods that have steps of their own.
	Late    policy.Quantity `json:"late"`
	From    policy.Quantity `json:"from"`
	Planned []string        `json:"planned,omitempty"`
}

// Plan implements [actuators.Driver]: a step for each pod, and the last one for those to come.
func (f *Fleet) Plan(_ policy.Target, from actuators.State, to policy.Size) (actuators.Plan, error) {
	if len(from.Parts) == 0 {
		return actuators.Plan{}, fmt.Errorf("%w: no pods", actuators.ErrNotFound)
	}
	var committed policy.Size
	if err := json.Unmarshal(from.Parts[0].Raw, &committed); err != nil {
		return actuators.Plan{}, fmt.Errorf("%w: %w", actuators.ErrRefused, err)
	}
	plan := actuators.Plan{Strategy: policy.Live, Command: command("fleet resize", "app", to)}
	for _, res := range slices.Sorted(mapKeys(to)) {
		last := resize{Resource: res, To: to[res], Late: committed[res], From: from.Parts[0].Configured[res]}
		for _, p := range from.Parts {
			was := p.Configured[res]
			last.Planned = append(last.Planned, p.ID)
			plan.Steps = append(plan.Steps, actuators.Step{
				Kind:     "resize",
				Text:     fmt.Sprintf("resize %s %s %s -> %s", p.Name, res, res.Format(was), res.Format(to[res])),
				UndoText: fmt.Sprintf("resize %s %s %s -> %s", p.Name, res, res.Format(to[res]), res.Format(was)),
				Args:     encode(resize{ID: p.ID, Resource: res, To: to[res]}),
				UndoArgs: encode(resize{ID: p.ID, Resource: res, To: was}),
			})
		}
		plan.Steps = append(plan.Steps, actuators.Step{
			Kind: "commit", Args: encode(last), UndoArgs: encode(last), Text: fmt.Sprintf("late pods get %s %s", res, res.Format(to[res])),
		})
	}
	return plan, nil
}

// Do implements [actuators.Driver].
func (f *Fleet) Do(ctx context.Context, _ policy.Target, s actuators.Step) error {
	return f.op(ctx, "do", func() error {
		var r resize
		if err := json.Unmarshal(s.Args, &r); err != nil {
			return fmt.Errorf("%w: %w", actuators.ErrRefused, err)
		}
		switch {
		case s.Kind != "commit":
			return f.resize(r)
		case r.Late.IsUnset() && f.template[r.Resource] != r.From: // its user chose meanwhile
		default:
			f.committed[r.Resource] = r.To
		}
		return nil
	})
}

// Undo implements [actuators.Driver].
func (f *Fleet) Undo(ctx context.Context, _ policy.Target, s actuators.Step) error {
	return f.op(ctx, "undo", func() error {
		var r resize
		if err := json.Unmarshal(s.UndoArgs, &r); err != nil {
			return fmt.Errorf("%w: %w", actuators.ErrRefused, err)
		}
		if s.Kind != "commit" {
			return f.resize(r)
		}
		set(f.committed, r.Resource, r.Late)
		for _, p := range f.pods {
			if !slices.Contains(r.Planned, p.id) && p.size[r.Resource] == r.To {
				p.size[r.Resource] = r.From
			}
		}
		return nil
	})
}

func (f *Fleet) resize(r resize) error {
	i := slices.IndexFunc(f.pods, func(p *fleetPod) bool { return p.id == r.ID })
	if i < 0 {
		return fmt.Errorf("%w: %s", actuators.ErrGone, r.ID)
	}
	set(f.pods[i].size, r.Resource, r.To)
	return nil
}

// remember notes what limits the pods from now on.
func (f *Fleet) remember() {
	n := narrowest{since: time.Now()}
	for _, p := range f.pods {
		if milli, ok := p.size[policy.CPU].Amount(); ok && p.runs() && (n.milli == 0 || milli < n.milli) {
			n.milli = milli
		}
	}
	if last := len(f.history) - 1; last < 0 || f.history[last].milli != n.milli {
		f.history = append(f.history, n)
	}
}

// Used implements [actuators.Meter]: of the pod with the least, a sample a second.
func (f *Fleet) Used(_ string, from, to time.Time) (u actuators.Usage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var used, throttled, limit float64
	for at := from.Add(time.Second); !at.After(to); at = at.Add(time.Second) {
		var milli int64
		for _, n := range f.history {
			if !n.since.After(at) {
				milli = n.milli
			}
		}
		if milli == 0 {
			continue
		}
		want := 0.5
		if f.cores != nil {
			want = f.cores(at)
		}
		u.Samples++
		limit = float64(milli) / 1000
		used += min(want, limit)
		if want > limit {
			throttled++
		}
	}
	if u.Samples == 0 {
		return u
	}
	n := float64(u.Samples)
	u.Cores, u.ThrottledRatio, u.CPULimit = new(used/n), new(throttled/n), new(limit)
	u.OOMKills, u.Restarts = new(int64(0)), new(int64(0))
	return u
}

// Sample implements [actuators.Meter].
func (f *Fleet) Sample(ctx context.Context, target string) (u actuators.Usage, err error) {
	err = f.op(ctx, "sample", func() error { return nil })
	now := time.Now()
	return f.Used(target, now.Add(-time.Second), now), err
}

// A Successors is a fleet whose steps do the same to what came in the place of a pod that is gone, and
// whose late pods get a size only once it is committed.
type Successors struct{ *Fleet }

// Plan implements [actuators.Driver].
func (s Successors) Plan(t policy.Target, from actuators.State, to policy.Size) (actuators.Plan, error) {
	plan, err := s.Fleet.Plan(t, from, to)
	plan.Steps = slices.DeleteFunc(plan.Steps, func(one actuators.Step) bool { return one.Kind == "commit" })
	return plan, err
}

// Do implements [actuators.Driver].
func (s Successors) Do(ctx context.Context, t policy.Target, one actuators.Step) error {
	return s.follow(s.Fleet.Do(ctx, t, one), one.UndoArgs, one.Args)
}

// Undo implements [actuators.Driver].
func (s Successors) Undo(ctx context.Context, t policy.Target, one actuators.Step) error {
	return s.follow(s.Fleet.Undo(ctx, t, one), one.Args, one.UndoArgs)
}

func (s Successors) follow(err error, from, to json.RawMessage) error {
	if !errors.Is(err, actuators.ErrGone) {
		return err
	}
	var was, is resize
	if err := errors.Join(json.Unmarshal(from, &was), json.Unmarshal(to, &is)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.remember()
	for _, p := range s.pods {
		if p.runs() && p.size[is.Resource] == was.To {
			p.size[is.Resource] = is.To
		}
	}
	return nil
}

// Finish implements [actuators.Finisher].
func (s Successors) Finish(ctx context.Context, _ policy.Target, steps []actuators.Step) error {
	return s.op(ctx, "finish", func() error {
		for _, one := range steps {
			var r resize
			if err := json.Unmarshal(one.Args, &r); err != nil {
				return err
			}
			s.committed[r.Resource] = r.To
		}
		return nil
	})
}
