package actuators

import (
	"math"
	"time"

	"github.com/engramd/engramd/policy"
)

// How long others may take our change back for it to count as a reversal, and how many reversals
// freeze a resource.
const (
	ReversalPeriod    = 7 * 24 * time.Hour
	ReversalsToFreeze = 2
)

// sameDemand is by how much demand may differ for the circumstances to be the same.
const sameDemand = 0.10

// Since is when a entered the state it is in.
func (a Action) Since() time.Time {
	if len(a.Times) == 0 {
		return time.Time{}
	}
	return a.Times[len(a.Times)-1].At
}

// LastChange finds the newest of our changes of a resource that stayed.
func LastChange(history []Action, target string, res policy.Resource) (Action, bool) {
	var last Action
	found := false
	for _, a := range history {
		if a.TargetName != target || a.Resource != res || !stays(a.State) || a.Done == 0 {
			continue
		}
		if !found || a.Since().After(last.Since()) {
			last, found = a, true
		}
	}
	return last, found
}

// Reversed reports whether st shows that somebody else took back the change of a, the last one of its
// resource that stayed: every part that the change was made to is back at From within
// [ReversalPeriod]. Parts are known by name, so that a container that was recreated counts and a pod
// that is new does not. The caller sets a.ReversedAt, so that it is told and counted once.
func Reversed(a Action, st State, now time.Time) bool {
	if !stays(a.State) || !a.ReversedAt.IsZero() || now.Sub(a.Since()) > ReversalPeriod || a.Resource.IsOperation() || a.From == a.To {
		return false
	}
	back := 0
	for _, p := range st.Parts {
		for _, was := range a.Parts {
			if was.Name != p.Name {
				continue
			}
			got, ok := effective(p, a.Resource)
			if !ok || !closer(a.Resource, got, a.From, a.To) {
				return false
			}
			back++
		}
	}
	return back > 0
}

// Reversals counts how often others took our changes of a resource back lately; at
// [ReversalsToFreeze] they mean it.
func Reversals(history []Action, target string, res policy.Resource, now time.Time) int {
	n := 0
	for _, a := range history {
		if a.TargetName == target && a.Resource == res && !a.ReversedAt.IsZero() && now.Sub(a.ReversedAt) <= ReversalPeriod {
			n++
		}
	}
	return n
}

// Ineffective finds the action that tried the same before in the same circumstances (row, from, to,
// demand in cores within a tenth) without effect, if its memory has not run out yet.
func Ineffective(history []Action, next policy.Proposal, demand *float64, now time.Time) (Action, bool) {
	for _, a := range history {
		p := a.Decision.Proposal
		if a.RetryAfter.After(now) && a.TargetName == next.Target && a.Resource == next.Change.Resource &&
			p.Policy == next.Policy && p.Row == next.Row && a.From == next.From && a.To == next.To &&
			similar(a.DemandCores, demand) {
			return a, true
		}
	}
	return Action{}, false
}

// similar reports whether two demands are the same circumstances. One that was not measured is
// taken for the same.
func similar(then, now *float64) bool {
	return then == nil || now == nil || math.Abs(*now-*then) <= sameDemand**then
}
