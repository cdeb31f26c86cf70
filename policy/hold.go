package policy

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

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
func Hold(d Decision, in HoldInputs) *Held {
	all := Holds(d, in)
	if len(all) == 0 {
		return nil
	}
	first := all[0]
	if len(all) > 1 {
		others := make([]string, 0, len(all)-1)
		for _, h := range all[1:] {
			others = append(others, h.Text)
			first.Also = append(first.Also, h.By)
		}
		first.Text += "; then: " + strings.Join(others, "; ")
	}
	return &first
}

// Holds lists everything that holds d back: first what never lets it run by itself, then what a
// person must do something about, then what passes.
func Holds(d Decision, in HoldInputs) []Held {
	if in.Undo {
		return nil
	}
	k := kindOf(d)
	var all []Held
	hold := func(by string, until time.Time, format string, args ...any) {
		all = append(all, Held{By: by, Text: fmt.Sprintf(format, args...), Until: until})
	}
	if d.Mode == DryRun {
		hold(HeldByDryRun, time.Time{}, "dry-run: nothing is changed")
	}
	if d.Verdict == PlanOnly && !in.Approved {
		hold(HeldByPlan, time.Time{}, "a plan never runs by itself; approve it to run it")
	}
	if p := in.Paused; p != nil && (p.Until.IsZero() || in.Now.Before(p.Until)) {
		hold(HeldByPause, p.Until, "%s", p.text())
	}
	window := in.window(d, k)
	switch {
	case in.Approved:
	case window != nil && window.Ask:
		hold(HeldByApproval, time.Time{}, "%s", window.Text)
	case d.Mode != Auto && d.Mode != DryRun && d.Verdict != PlanOnly:
		hold(HeldByApproval, time.Time{}, "a person must approve (mode approve)")
	}
	if a := in.blocking(d, k); a != nil {
		by := HeldByAction
		if a.State == outcomeValidating {
			by = HeldByValidation
		}
		hold(by, time.Time{}, "action %s on %s is %s", a.ID, a.Resource, strings.ReplaceAll(string(a.State), "_", " "))
	}
	if k.cooldown && in.Cooldown.After(in.Now) {
		hold(HeldByCooldown, in.Cooldown, "the cooldown of %s ends in %s", d.Change.Resource, FormatDuration(in.Cooldown.Sub(in.Now).Round(time.Second)))
	}
	if until, text := in.Budget.lacks(k.account); text != "" {
		hold(HeldByBudget, until, "%s", text)
	}
	if window != nil && !window.Ask && window.At.After(in.Now) {
		hold(HeldByWindow, window.At, "%s", window.Text)
	}
	return all
}

// window says when d may begin, nil if no maintenance window binds it.
func (in HoldInputs) window(d Decision, k kind) *Start {
	if k.window == windowNever || k.window == windowIfLiveBound && !in.LiveInWindow {
		return nil
	}
	s := StartIn(in.Window, in.Now, d.Deadline, d.AtDead, in.Need)
	return &s
}

// The states of an action that matter here; actuators owns the full list.
const (
	outcomeWaiting     Outcome = "waiting"
	outcomeDraining    Outcome = "draining"
	outcomeApplying    Outcome = "applying"
	outcomeVerifying   Outcome = "verifying"
	outcomeValidating  Outcome = "validating"
	outcomeRollingBack Outcome = "rolling_back"
)

// blocking returns the running action that d must wait for: one that has the target to itself, else a
// validation that d would disturb.
func (in HoldInputs) blocking(d Decision, k kind) *OpenAction {
	for i, a := range in.Actions {
		switch a.State {
		case outcomeDraining, outcomeApplying, outcomeVerifying, outcomeRollingBack:
			return &in.Actions[i]
		}
	}
	for i, a := range in.Actions {
		disturbs := k.validation == waitsForAny || k.validation == waitsForSameResource && a.Resource == d.Change.Resource
		if a.State == outcomeValidating && disturbs {
			return &in.Actions[i]
		}
	}
	return nil
}

// lacks says that the account is empty, and when it is not any more; "" if it is not.
func (l Left) lacks(a Account) (time.Time, string) {
	spent := func(of int, one, many string, until time.Time) (time.Time, string) {
		text := "the budget of " + counted(of, one, many) + " is spent"
		if !until.IsZero() {
			text += "; one more is allowed at " + clock(until)
		}
		return until, text
	}
	switch {
	case a == Emergencies && l.Emergencies == 0:
		return spent(l.Of.EmergenciesPerDay, "emergency a day", "emergencies a day", l.EmergenciesAt)
	case a == Regular && l.Day == 0:
		return spent(l.Of.PerDay, "change a day", "changes a day", l.DayAt)
	case a == Regular && l.Hour == 0:
		return spent(l.Of.PerHour, "change an hour", "changes an hour", l.HourAt)
	}
	return time.Time{}, ""
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

func (p Pause) text() string {
	text := "paused"
	if !p.Until.IsZero() {
		text += " until " + clock(p.Until)
	}
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}

// HoldInputs gathers what the situation knows about what may hold d. The caller sets Approved.
func (s Situation) HoldInputs(d Decision) HoldInputs {
	ledger := s.Ledger
	if d.Mode == DryRun {
		ledger = s.Shadow
	}
	return HoldInputs{
		Now: s.Now, Paused: s.Paused, Window: s.Window, LiveInWindow: s.Target.LiveInWindow, Need: s.Need,
		Cooldown: ledger.CooldownEnds(s.Now, d.Change.Resource, d.Direction, s.Safety.Cooldown),
		Budget:   ledger.Left(s.Now, s.Safety.Budget), Actions: s.Actions,
	}
}
