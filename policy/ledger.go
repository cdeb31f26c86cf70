package policy

import "time"

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

// A LastChange is when a resource was last changed, in which direction.
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

// AccountOf says what d is paid from, by its verdict, evidence and strategy.
func AccountOf(d Decision) Account { return Regular }

// Left is what a budget still allows.
type Left struct {
	Hour, Day, Emergencies int // negative: no bound
	// HourAt, DayAt and EmergenciesAt are when one more is allowed again, zero where one is now.
	HourAt, DayAt, EmergenciesAt time.Time
}

// Spend pays for the action at now.
func (l Ledger) Spend(now time.Time, a Account, action string) Ledger { return l }

// Changed notes that a change of r ended at now: its cooldowns begin.
func (l Ledger) Changed(now time.Time, r Resource, d Direction) Ledger { return l }

// Left is what b still allows at now.
func (l Ledger) Left(now time.Time, b Budget) Left { return Left{} }

// CooldownEnds is when a change of r in direction d is allowed again; zero if it is.
func (l Ledger) CooldownEnds(now time.Time, r Resource, d Direction, c Cooldown) time.Time {
	return time.Time{}
}

// Trim forgets what no budget asks for any more, and brings what lies in the future back to now: the
// clock has jumped. Call it once a tick.
func (l Ledger) Trim(now time.Time) Ledger { return l }
