package view

import (
	"fmt"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
)

// story says in one or two sentences what was decided and what became of it.
func (v View) story(x api.Explanation) string {
	d := x.Decision
	what := fmt.Sprintf("%s of %s", d.Change.Resource, d.Target)
	sizes := change(d.Change.Resource, d.From, d.To)
	if x.Action == nil {
		return v.undone(d, what, sizes)
	}
	a := *x.Action
	did := verb(a.Direction) + " " + what
	if !a.Resource.IsOperation() {
		did += " from " + a.Resource.Format(a.From) + " to " + a.Resource.Format(a.To)
	}
	switch {
	case a.Strategy == policy.Restart:
		did += " with a restart"
	case !a.Resource.IsOperation():
		did += " while it ran"
	}
	return v.became(a, what, sizes, did)
}

// undone tells of a decision that led to no action.
func (v View) undone(d policy.Decision, what, sizes string) string {
	switch {
	case d.Refused != "":
		return fmt.Sprintf("Nothing was done: %s asked for %s, %s, and that was refused: %s.", d.Policy, what, sizes, d.Refused)
	case d.Verdict == policy.Blind:
		return fmt.Sprintf("Nothing was done: %s could not see what it needs: %s.", d.Policy, or(d.Why, "see below"))
	case d.Verdict == policy.PlanOnly:
		return fmt.Sprintf("A plan: %s, %s. It never runs by itself.", what, sizes)
	case d.Held != nil:
		return fmt.Sprintf("%s asks for %s, %s. It waits for %s.", d.Policy, what, sizes, v.held(*d.Held))
	}
	return fmt.Sprintf("%s asks for %s, %s.", d.Policy, what, sizes)
}

// became tells of an action by the state it is in.
func (v View) became(a api.ActionView, what, sizes, did string) string {
	switch a.State {
	case actuators.Proposed, actuators.Waiting:
		text := fmt.Sprintf("engramd wants to change %s, %s.", what, sizes)
		if a.Held == nil {
			return text
		}
		text += " It waits for " + v.held(*a.Held) + "."
		if a.Held.By == policy.HeldByApproval {
			text += " To allow it: engramd approve " + a.ID
		}
		return text
	case actuators.Draining, actuators.Applying, actuators.Verifying:
		return fmt.Sprintf("engramd is changing %s, %s: %s now.", what, sizes, a.State)
	case actuators.Validating:
		return fmt.Sprintf("engramd %s and is watching whether it helps.", did)
	case actuators.RollingBack:
		return fmt.Sprintf("engramd %s and is taking it back%s.", did, because(a.Reason))
	case actuators.RolledBack:
		text := fmt.Sprintf("engramd %s and took it back%s.", did, because(a.Reason))
		if !a.RetryAfter.IsZero() {
			text += fmt.Sprintf(" It is not tried again in the same circumstances before %s.", v.until(a.RetryAfter))
		}
		return text
	}
	return v.ended(a, what, sizes, did)
}

// ended tells of an action that was not rolled back.
func (v View) ended(a api.ActionView, what, sizes, did string) string {
	switch a.State {
	case actuators.Committed:
		return fmt.Sprintf("engramd %s, and it stays so%s.", did, because(a.Reason))
	case actuators.Insufficient:
		return fmt.Sprintf("engramd %s. It is needed and not enough%s.", did, because(a.Reason))
	case actuators.Kept:
		return fmt.Sprintf("engramd %s and could not safely take it back%s. A person should look.", did, because(a.Reason))
	case actuators.Inconclusive:
		return fmt.Sprintf("engramd %s. Whether it helped could not be told, so it stays%s.", did, because(a.Reason))
	case actuators.Superseded:
		return fmt.Sprintf("engramd %s; something else took over%s.", did, because(a.Reason))
	case actuators.Failed:
		return fmt.Sprintf("engramd tried to change %s, %s, and failed%s. A person is needed; it is frozen until then.", what, sizes, because(a.Reason))
	case actuators.Expired:
		return fmt.Sprintf("Nothing was done about %s, %s: the action expired%s.", what, sizes, because(a.Reason))
	}
	return fmt.Sprintf("Nothing was done about %s, %s: the action was %s%s.", what, sizes, a.State, because(a.Reason))
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func verb(d policy.Direction) string {
	switch d {
	case policy.Growth:
		return "raised"
	case policy.Decrease:
		return "lowered"
	}
	return "ran"
}
