package kubernetes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// planRollout changes the template, and waits for one pod after the other: each wait is a step of its
// own, so that a large workload has time in proportion.
func (p *planner) planRollout() (actuators.Plan, error) {
	f := p.pods[0].facts
	why := strings.Join(p.restart, "; ")
	refuse := func(format string, args ...any) (actuators.Plan, error) {
		return actuators.Plan{}, fmt.Errorf("%w: %s, and "+format, append([]any{actuators.ErrRefused, why}, args...)...)
	}
	switch {
	case f.Workload.Kind == kindPod:
		return refuse("with self only the own pod is touched, which cannot be rolled out: name its workload instead")
	case f.Static:
		return refuse("%s is a static pod: change its manifest on node %s", f.Pod, f.Node)
	case f.Operator != "":
		return refuse("the template of %s belongs to %s, whose controller writes it: change it there", f.Workload, f.Operator)
	case f.Manual != "":
		return refuse("%s cannot be rolled out: %s", f.Workload, f.Manual)
	}
	of, err := p.templateChanges(f)
	if err != nil {
		return actuators.Plan{}, err
	}
	if len(of) == 0 { // then nothing would roll out
		p.notes = append(p.notes, "the template has this size already, so only the running pods are resized")
		return p.planResize()
	}
	if err := p.fits(func(pod pod) (settings, changes) { return pod.Template, of }); err != nil {
		return actuators.Plan{}, err
	}
	t := template{Workload: f.Workload, Container: f.Container, Changes: of}
	for _, o := range f.Owners {
		if _, ours := of[o.Resource]; !ours {
			continue
		}
		if o.Applies && o.Manager != manager {
			return refuse("the %s of the template belongs to %s, which applies its own value again: change it there", o.Resource, o.Manager)
		}
		t.Owners = append(t.Owners, o)
	}
	plan := actuators.Plan{Strategy: policy.Restart, Command: rolloutCommand(t)}
	plan.Notes = append(p.notes, "a rollout replaces every pod: "+why)
	if i := slices.IndexFunc(t.Owners, func(o owner) bool { return !o.Applies }); i >= 0 {
		plan.Notes = append(plan.Notes, fmt.Sprintf("the size was written by %s: write the new one into its manifest too, or the next apply of that rolls the old one out again", t.Owners[i].Manager))
	}
	plan.Steps = append(plan.Steps, actuators.Step{
		Kind: stepTemplate, Args: actuators.Encode(t),
		Text:     fmt.Sprintf("roll out %s: %s", t.Workload, of),
		UndoText: fmt.Sprintf("roll %s back: %s", t.Workload, of.back()),
	})
	for i := range f.Wanted {
		one := t
		one.Pods = i + 1
		plan.Steps = append(plan.Steps, actuators.Step{
			Kind: stepRollout, Args: actuators.Encode(one), Text: fmt.Sprintf("wait for pod %d of %d to be new and available", one.Pods, f.Wanted),
			UndoText: "see that nobody else has changed the template since",
		})
	}
	return plan, nil
}

// templateChanges finds what the template must say. What the template lacks is not added.
func (p *planner) templateChanges(f facts) (changes, error) {
	of := make(changes)
	for _, res := range resizable {
		q, asked := p.to[res]
		if !asked {
			continue
		}
		next, err := f.Template[res].resized(p.spec.Controls, res, q)
		if err != nil {
			return nil, fmt.Errorf("template of %s: %w", f.Workload, err)
		}
		if !f.Template[res].same(res, next) {
			of[res] = change{From: f.Template[res], To: next}
		}
	}
	return of, nil
}
