package policy

import (
	"maps"
	"slices"
	"time"
)

// A Ledger is what one target's changes have spent. It is a value: every method returns a new one.
// A dry run keeps a ledger of its own, so that it shadows cooldowns and budgets without touching the
// real ones.
type Ledger struct {
	Spent []Spending              `json:"spent,omitempty"` // of the last day, oldest first
	Last  map[Resource]LastChange `json:"last,omitempty"`
}

// A Spending is one change that was paid for.
type Spending struct {
	At      time.Time `json:"at"`
	Account Account   `json:"account"`
	Action  string    `json:"action,omitempty"` // id
}

// A LastChange is when the last change of a resource ended, and in which direction it went.
type LastChange struct {
	At        time.Time `json:"at"`
	Direction Direction `json:"direction"`
}

// An Account is what a change is paid from.
type Account string

// The accounts.
const (
	Regular     Account = "regular"
	Emergencies Account = "emergencies"
	Free        Account = "free" // not counted
)

// AccountOf says what d is paid from, by the table that [Hold] follows.
func AccountOf(d Decision) Account { return kindOf(d).account }

// Left is what a budget still allows.
type Left struct {
	Hour, Day, Emergencies int // negative: no bound
	// HourAt, DayAt and EmergenciesAt are when one more is allowed again, zero where one is now, or
	// where the budget never allows any.
	HourAt, DayAt, EmergenciesAt time.Time
	Of                           Budget
}

const day = 24 * time.Hour

// maxSpendings bounds a ledger under a budget without bounds.
const maxSpendings = 1000

// Spend pays for the action at now. An action that has paid pays no second time, so that a crash
// between paying and starting costs nothing.
func (l Ledger) Spend(now time.Time, a Account, action string) Ledger {
	paid := func(s Spending) bool { return action != "" && s.Action == action }
	l = l.Trim(now)
	if a == Free || slices.ContainsFunc(l.Spent, paid) {
		return l
	}
	l.Spent = append(l.Spent, Spending{At: now, Account: a, Action: action})
	if len(l.Spent) > maxSpendings {
		l.Spent = slices.Clone(l.Spent[len(l.Spent)-maxSpendings:])
	}
	return l
}

// Refund gives back what the action has paid: it never began.
func (l Ledger) Refund(action string) Ledger {
	l.Spent = slices.DeleteFunc(slices.Clone(l.Spent), func(s Spending) bool { return action != "" && s.Action == action })
	return l
}

// Changed notes that a change of r ended at now: its cooldowns begin.
func (l Ledger) Changed(now time.Time, r Resource, d Direction) Ledger {
	last := maps.Clone(l.Last)
	if last == nil {
		last = map[Resource]LastChange{}
	}
	last[r] = LastChange{At: now, Direction: d}
	l.Last = last
	return l
}

// Left is what b still allows at now.
func (l Ledger) Left(now time.Time, b Budget) Left {
	left := Left{Of: b}
	left.Hour, left.HourAt = l.left(now, Regular, time.Hour, b.PerHour)
	left.Day, left.DayAt = l.left(now, Regular, day, b.PerDay)
	left.Emergencies, left.EmergenciesAt = l.left(now, Emergencies, day, b.EmergenciesPerDay)
	return left
}

func (l Ledger) left(now time.Time, a Account, within time.Duration, of int) (int, time.Time) {
	if of < 0 {
		return -1, time.Time{}
	}
	var times []time.Time
	for _, s := range l.Spent {
		if s.Account == a && s.At.After(now.Add(-within)) {
			times = append(times, s.At)
		}
	}
	if len(times) < of {
		return of - len(times), time.Time{}
	}
	if of == 0 {
		return 0, time.Time{}
	}
	slices.SortFunc(times, time.Time.Compare)
	return 0, times[len(times)-of].Add(within)
}

// CooldownEnds is when a change of r in direction d is allowed again; zero if it is. An operation
// waits for as long as a growth does.
func (l Ledger) CooldownEnds(now time.Time, r Resource, d Direction, c Cooldown) time.Time {
	last, changed := l.Last[r]
	wait := c.Up
	if d == Decrease {
		wait = c.Down
	}
	if end := last.At.Add(wait); changed && end.After(now) {
		return end
	}
	return time.Time{}
}

// Trim forgets what no budget asks for any more, and brings what lies in the future back to now: the
// clock has jumped, and nothing may be held for longer than it is meant to. Call it once a tick.
func (l Ledger) Trim(now time.Time) Ledger {
	spent := make([]Spending, 0, len(l.Spent)+1)
	for _, s := range l.Spent {
		if s.At.After(now) {
			s.At = now
		}
		if s.At.After(now.Add(-day)) {
			spent = append(spent, s)
		}
	}
	l.Spent = spent
	for r, last := range l.Last {
		if last.At.After(now) {
			l = l.Changed(now, r, last.Direction)
		}
	}
	return l
}
