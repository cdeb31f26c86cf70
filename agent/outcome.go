package agent

import (
	"cmp"
	"time"

	"github.com/engramd/engramd/actuators"
)

// recent is how far back a start looks for decisions that the process before it could not close.
const recent = 24 * time.Hour

// closeDecision writes how an action stands on the decision that it came from. What cannot be written
// now is written at a later tick.
func (a *Agent) closeDecision(one actuators.Action) {
	d, err := a.journal.Decision(one.Decision.ID)
	if err != nil || d.Outcome == one.State && d.ActionID == one.ID {
		return // an action adopted from another agent has its decision there
	}
	d.ActionID, d.Outcome = one.ID, one.State
	d.Diagnosis = cmp.Or(one.Diagnosis, d.Diagnosis)
	if _, err = a.journal.PutDecisions(d); err != nil {
		a.logError("keep a decision's outcome", err)
		a.loop.unclosed[one.ID] = one
		return
	}
	delete(a.loop.unclosed, one.ID)
}

// closeLate closes the decisions that could not be closed before.
func (a *Agent) closeLate() {
	for _, id := range sortedKeys(a.loop.unclosed) {
		a.closeDecision(a.loop.unclosed[id])
	}
}
