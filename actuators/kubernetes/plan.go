package kubernetes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// A change is one resource of a container on its way.
type change struct {
	From setting `json:"from"`
	To   setting `json:"to"`
}

// changes are those of one container, by resource.
type changes map[policy.Resource]change

func (c changes) String() string {
	var said []string
	for _, res := range resizable {
		if one, ok := c[res]; ok {
			said = append(said, fmt.Sprintf("%s %s -> %s", res, one.From, one.To))
		}
	}
	return strings.Join(said, ", ")
}

// back are the same changes the other way.
func (c changes) back() changes {
	b := make(changes)
	for res, one := range c {
		b[res] = change{From: one.To, To: one.From}
	}
	return b
}

// shrink reports whether a limit of res goes down.
func (c changes) shrink(res policy.Resource) bool {
	from, limited := units(res, c[res].From.Limit)
	to, ok := units(res, c[res].To.Limit)
	return limited && ok && to < from
}

// Plan lists the steps that take the pods to a size: by a resize of each where that is possible, else
// by a rollout of the template.
func (d *Driver) Plan(t policy.Target, from actuators.State, to policy.Size) (actuators.Plan, error) {
	spec, err := specOf(t)
	if err != nil {
		return actuators.Plan{}, err
	}
	for res := range to {
		switch {
		case !slices.Contains(d.Resources(), res):
			return actuators.Plan{}, fmt.Errorf("%w: kubernetes cannot change %s of %s", actuators.ErrRefused, res, t.Name)
		case !slices.Contains(resizable, res) && len(to) > 1:
			return actuators.Plan{}, fmt.Errorf("%w: %s of %s cannot be changed together with something else", actuators.ErrRefused, res, t.Name)
		}
	}
	if len(from.Parts) == 0 {
		return actuators.Plan{}, fmt.Errorf("%w: %s has no pods", actuators.ErrNotFound, t.Name)
	}
	if from.Paused != "" {
		return actuators.Plan{}, fmt.Errorf("%w: %s asks to leave it alone", actuators.ErrRefused, from.Paused)
	}
	p := planner{target: t, spec: spec, to: to}
	for _, part := range from.Parts {
		f, err := factsOf(part)
		if err != nil {
			return actuators.Plan{}, err
		}
		p.pods = append(p.pods, pod{facts: f, part: part})
	}
	if q, ok := to[policy.Replicas]; ok {
		return planScale(p.pods[0], q)
	}
	if q, ok := to[policy.Storage]; ok {
		return planExpand(t, p.pods, q)
	}
	return p.plan()
}

// A planner gathers what a plan changes.
type planner struct {
	target  policy.Target
	spec    Spec
	to      policy.Size
	pods    []pod
	restart []string // why it cannot be done live
	notes   []string
}

// A pod is one part with what is known of it.
type pod struct {
	facts
	part    actuators.Part
	changes changes
}

func (p *planner) plan() (actuators.Plan, error) {
	if err := p.allowed(); err != nil {
		return actuators.Plan{}, err
	}
	p.strategy()
	if len(p.restart) > 0 {
		return p.planRollout()
	}
	return p.planResize()
}

// strategy finds what speaks against a resize of the running pods.
func (p *planner) strategy() {
	f := p.pods[0].facts
	for _, res := range resizable {
		q, asked := p.to[res]
		if !asked {
			continue
		}
		why := ""
		switch apply := p.target.Apply[res]; {
		case p.spec.Persist == PersistRestart:
			why = "persist: restart makes every change in the template"
		case f.Restarts[res]: // the resize restarts the container by itself
		case apply == policy.ApplyRestart:
			why = fmt.Sprintf("apply says that %s needs a restart", res)
		case apply == policy.ApplyGrowLive && p.shrinks(res, q):
			why = fmt.Sprintf("apply says that less %s needs a restart", res)
		}
		if p.spec.Infeasible == InfeasibleRestart && why == "" {
			why = p.hopeless(res, q)
		}
		if why != "" {
			p.restart = append(p.restart, why)
		}
	}
}

// hopeless says why the kubelet cannot make the resize, as far as that is known already.
func (p *planner) hopeless(res policy.Resource, to policy.Quantity) string {
	for _, pod := range p.pods {
		if pod.Windows {
			return "the kubelet cannot resize a running pod on Windows"
		}
		if h, ok := pod.Hopeless[res]; ok && h.To == to {
			return "the kubelet cannot make this resize: " + h.Why
		}
	}
	return ""
}

func (p *planner) shrinks(res policy.Resource, to policy.Quantity) bool {
	n, limited := to.Amount()
	return limited && slices.ContainsFunc(p.pods, func(pod pod) bool {
		now, ok := pod.part.Effective[res].Amount()
		return !ok || n < now
	})
}

// allowed refuses what somebody else decides, and what is under way.
func (p *planner) allowed() error {
	f := p.pods[0].facts
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{actuators.ErrRefused}, args...)...)
	}
	switch {
	case f.Rolling != "":
		return refuse("a rollout of %s is under way (%s): decide again once it is over", f.Workload, f.Rolling)
	case f.Rules.VPA != "":
		return refuse("the VerticalPodAutoscaler %s sizes the pods of %s: set its updateMode to Off, or leave them to it", f.Rules.VPA, f.Workload)
	case slices.Contains(f.Rules.Hidden, vpaKind) || slices.Contains(f.Rules.Hidden, hpaKind):
		return refuse("nobody knows whether an autoscaler is at work on %s: grant engramd the right to list %s", f.Workload, strings.Join(f.Rules.Hidden, " and "))
	}
	for res := range p.to {
		if hpa, ok := f.Rules.ScaledOn[res]; ok {
			return refuse("the HorizontalPodAutoscaler %s counts the pods of %s by their %s, and would undo in pods what a change of %s does: scale it on something else, or leave %s to it",
				hpa, f.Workload, res, res, res)
		}
	}
	return nil
}

// planResize is one step a pod, one at a time.
func (p *planner) planResize() (actuators.Plan, error) {
	for i := range p.pods {
		if err := p.pods[i].change(p.spec, p.to); err != nil {
			return actuators.Plan{}, err
		}
	}
	if err := p.fits(func(pod pod) (settings, changes) { return pod.Now, pod.changes }); err != nil {
		return actuators.Plan{}, err
	}
	plan := actuators.Plan{Strategy: policy.Live}
	var done []pod
	for _, pod := range p.pods {
		if len(pod.changes) == 0 {
			continue
		}
		r := resize{
			Workload: pod.Workload, Pod: pod.Pod, UID: pod.UID, Container: pod.Container,
			Changes: pod.changes, Template: pod.Template, Restarts: pod.restartsFor(pod.changes),
		}
		if r.Restarts {
			plan.Strategy = policy.Restart
			p.notes = append(p.notes, fmt.Sprintf("the resizePolicy of %s restarts its container; pods that come later keep the template's size, because giving them another would restart them", pod.Pod))
		}
		plan.Steps = append(plan.Steps, actuators.Step{Kind: stepResize, Args: actuators.Encode(r), Text: fmt.Sprintf("resize pod %s: %s", r.Pod, r.Changes)})
		done = append(done, pod)
	}
	if hidden := p.pods[0].Rules.Hidden; len(hidden) > 0 {
		p.notes = append(p.notes, "engramd may not list "+strings.Join(hidden, " and ")+": only the API server knows whether the size is within them")
	}
	plan.Command = resizeCommand(done)
	plan.Notes = append(p.notes, p.lasting(done)...)
	return plan, nil
}

// change finds what takes the pod to size.
func (p *pod) change(spec Spec, to policy.Size) error {
	p.changes = make(changes)
	switch {
	case p.Static:
		return fmt.Errorf("%w: %s is a static pod, and the kubelet never resizes those: change its manifest on node %s", actuators.ErrRefused, p.Pod, p.Node)
	case p.Windows:
		return fmt.Errorf("%w: %s runs on Windows, where the kubelet cannot resize a running pod: set infeasible: restart, or apply: restart", actuators.ErrRefused, p.Pod)
	}
	for _, res := range resizable {
		q, asked := to[res]
		if !asked {
			continue
		}
		next, err := p.Now[res].resized(spec.Controls, res, q)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Pod, err)
		}
		shown, known := p.part.Effective[res]
		if p.Now[res].same(res, next) && (!known || actuators.Same(res, shown, q)) {
			continue
		}
		p.changes[res] = change{From: p.Now[res], To: next}
	}
	return nil
}

func (f facts) restartsFor(c changes) bool {
	for res := range c {
		if f.Restarts[res] {
			return true
		}
	}
	return false
}
