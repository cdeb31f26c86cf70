package actuators

import (
	"context"

	"github.com/engramd/engramd/policy"
)

// moreStalled is how much more of the time a move to other processors may make wait for one.
const moreStalled = 0.05

// placementHarm says whether a target does worse on other processors: it may be slower with fewer of
// them, or far from its memory.
func placementHarm(before, after Baseline, tolerance float64) finding {
	f := decreaseEffect(before, after, tolerance)
	b, a := before.Usage.CPUStall, after.Usage.CPUStall
	if b == nil || a == nil || *a <= *b*(1+tolerance)+moreStalled {
		return f
	}
	text := "waiting for CPU " + percent(*a) + " of the time (was " + percent(*b) + ")"
	if f.shown == no {
		text = f.text + ", " + text
	}
	return finding{no, text}
}

// placed says whether other processors helped: the signal that led there left its row, and nothing is
// worse than before.
func (r *run) placed(ctx context.Context, w *watch, before, after Baseline) finding {
	harm := placementHarm(before, after, w.v.Tolerance)
	if harm.shown == no {
		w.harm++
		return harm
	}
	w.harm = 0
	if r.a.wanted() {
		return finding{nil, harm.text}
	}
	return r.triggerLeft(ctx)
}

// judgePlacement takes processors back that do harm for the better part of the checks. Whether they
// help is judged at the end: the signals that led there look far back.
func (r *run) judgePlacement(w *watch) stage {
	if 2*w.harm > w.v.Checks {
		return r.takeBack("it is worse than before: " + r.evidence())
	}
	return nil
}

// wanted reports whether a change is what the target's own section asks for, so that nothing but harm
// speaks against it.
func (a Action) wanted() bool { return a.Decision.Source == policy.FromTarget }
