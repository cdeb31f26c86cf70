package config

import (
	"time"

	"github.com/engramd/engramd/policy"
)

// Safety bounds what may happen to one target.
type Safety struct {
	// CooldownUp and CooldownDown keep changes of one resource apart.
	CooldownUp, CooldownDown time.Duration
	Budget                   policy.Budget
	// ReserveCPU and ReserveMemory are what host admission leaves to the host.
	ReserveCPU, ReserveMemory Reserve
	// Overcommit lets the sum of CPU limits pass what the host has.
	Overcommit bool
	// RetryAfter is how long a change without effect is not tried again in the same circumstances.
	RetryAfter time.Duration
	// Recheck is how long a waiting action lives on after its row held last.
	Recheck time.Duration
	// ApprovalTTL is how long a proposal waits for a person, and an approval for its turn.
	ApprovalTTL time.Duration
}

// A Reserve is a part of what the host has, or an amount in the resource's unit. Exactly one is set,
// or neither for none.
type Reserve struct {
	Fraction float64 // 0.1 is 10%
	Amount   int64
}

// Of returns the amount reserved of capacity.
func (r Reserve) Of(capacity int64) int64 {
	if r.Fraction != 0 {
		return int64(r.Fraction * float64(capacity))
	}
	return r.Amount
}
