package policy

import "time"

// Clocks are what a policy remembers of one target between two evaluations. The zero value remembers
// nothing.
type Clocks struct {
	At   time.Time  `json:"at,omitzero"` // of the last evaluation
	Rows []RowClock `json:"rows,omitempty"`
}

// A RowClock says since when a row has been true without a break.
type RowClock struct {
	Condition string    `json:"condition"`
	Since     time.Time `json:"since,omitzero"` // zero: it is not
}

// missedTicks is how many evaluations may be missed before nobody can say what a row was meanwhile.
const missedTicks = 3

// broken reports whether the clocks cannot go on: the clock of the machine went back, or nobody
// looked for so long (a suspended machine, a stopped process) that "without a break" is unknown.
func (c Clocks) broken(now time.Time, every time.Duration) bool {
	if c.At.IsZero() {
		return false
	}
	return now.Before(c.At) || every > 0 && now.Sub(c.At) > missedTicks*every
}

// since returns when the clock of row i began. A row that reads otherwise than it did before a reload
// begins anew.
func (c Clocks) since(i int, condition string) time.Time {
	if i < len(c.Rows) && c.Rows[i].Condition == condition {
		return c.Rows[i].Since
	}
	return time.Time{}
}
