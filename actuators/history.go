package actuators

import (
	"time"

	"github.com/engramd/engramd/policy"
)

// How long others may take our change back for it to count as a reversal, and how many reversals
// freeze a resource.
const (
	ReversalPeriod    = 7 * 24 * time.Hour
	ReversalsToFreeze = 2
)

// Since is when a entered the state it is in.
func (a Action) Since() time.Time {
	if len(a.Times) == 0 {
		return time.Time{}
	}
	return a.Times[len(a.Times)-1].At
}

// Reversed reports whether st shows that somebody else took back the change of a, the last one of its
// resource that stayed: every part that the change was made to is back at From within
// [ReversalPeriod]. Parts are known by name, so that a container that was recreated counts and a pod
// that is new does not; one whose [Part.Life] is another by now was not told to go back by anybody. The caller sets a.ReversedAt, so that it is told and counted once.
func Reversed(a Action, st State, now time.Time) bool {
	if !Stays(a.State) || !a.ReversedAt.IsZero() || now.Sub(a.Since()) > ReversalPeriod || a.Resource.IsOperation() || a.From == a.To {
		return false
	}
	back := 0
	for _, p := range st.Parts {
		for _, was := range a.Parts {
			if was.Name != p.Name || was.Life != p.Life {
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
