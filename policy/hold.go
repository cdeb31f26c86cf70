package policy

import "time"

// HoldInputs is what may hold a decided change back.
type HoldInputs struct {
	Now    time.Time
	Paused *Pause
	// Approved says that a person's approval of exactly this plan is valid.
	Approved bool
	// Undo says that the change takes an earlier one back: nothing holds it.
	Undo bool
	// Window is the target's maintenance window, nil if none is declared; LiveInWindow binds live
	// changes, too.
	Window       *MaintenanceWindow
	LiveInWindow bool
	// Need is how long the change takes at most: drain, apply, health and settle together.
	Need time.Duration
	// Cooldown is when the cooldown of the change's resource and direction ends, zero if it has.
	Cooldown time.Time
	Budget   Left
	Actions  []OpenAction
}

// What holds a change: the values of [Held].By.
const (
	HeldByPlan       = "plan"
	HeldByDryRun     = "dry-run"
	HeldByPause      = "pause"
	HeldByAction     = "action" // another change of the target is being applied
	HeldByApproval   = "approval"
	HeldByValidation = "validation"
	HeldByCooldown   = "cooldown"
	HeldByBudget     = "budget"
	HeldByWindow     = "maintenance window"
)

// Hold returns the first thing that holds d back, nil if nothing does. Its text names the others.
func Hold(d Decision, in HoldInputs) *Held { return nil }

// Holds lists everything that holds d back, what a person must do something about first.
func Holds(d Decision, in HoldInputs) []Held { return nil }

// HoldInputs gathers what the situation knows about what may hold d. The caller sets Approved.
func (s Situation) HoldInputs(d Decision) HoldInputs { return HoldInputs{Now: s.Now} }
