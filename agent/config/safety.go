package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

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

// A safetySection is the section safety, of the agent or of a target. What it does not say is nil.
type safetySection struct {
	// Cooldown keeps two changes of one resource apart.
	Cooldown cooldownSection `yaml:"cooldown,omitempty"`
	// Budget is how many changes a target gets. 0 is none, -1 any number.
	Budget budgetSection `yaml:"budget,omitempty"`
	// Reserve is what host admission leaves to the host.
	Reserve reserveSection `yaml:"reserve,omitempty"`
	// Overcommit lets the CPU limits of all targets together pass what the host has; a single one never
	// does.
	Overcommit *bool `yaml:"overcommit,omitempty"`
	// RetryAfter is how long a change without effect is not tried again in the same circumstances.
	RetryAfter *time.Duration `yaml:"retry_after,omitempty"`
	// Recheck is how long a waiting action lives on after its row held last.
	Recheck *time.Duration `yaml:"recheck,omitempty"`
	// ApprovalTTL is how long a proposal waits for a person, and an approval for its turn.
	ApprovalTTL *time.Duration `yaml:"approval_ttl,omitempty"`
}

type cooldownSection struct {
	// Up is the time before the next growth.
	Up *time.Duration `yaml:"up,omitempty"`
	// Down is the time before the next decrease.
	Down *time.Duration `yaml:"down,omitempty"`
}

type budgetSection struct {
	// PerHour is how many changes a target gets in any hour.
	PerHour *int `yaml:"per_hour,omitempty"`
	// PerDay is how many changes a target gets in any 24 hours.
	PerDay *int `yaml:"per_day,omitempty"`
	// EmergenciesPerDay is how many emergencies a target gets in any 24 hours; they do not count as
	// changes.
	EmergenciesPerDay *int `yaml:"emergencies_per_day,omitempty"`
}

type reserveSection struct {
	// CPU is a part of the host's cores, such as 10%, or a number of cores.
	CPU *cpuReserve `yaml:"cpu,omitempty"`
	// Memory is a part of the host's memory, such as 10%, or an amount.
	Memory *memoryReserve `yaml:"memory,omitempty"`
}

// A cpuReserve is written as 10% or 500m, a memoryReserve as 10% or 2Gi.
type (
	cpuReserve    Reserve
	memoryReserve Reserve
)

func (c *cpuReserve) fromYAML(d *decoder, n ast.Node, path string) {
	*c = cpuReserve(d.reserve(n, path, policy.CPU))
}

func (m *memoryReserve) fromYAML(d *decoder, n ast.Node, path string) {
	*m = memoryReserve(d.reserve(n, path, policy.Memory))
}

func (c cpuReserve) toYAML() any {
	if c.Amount != 0 {
		return fmt.Sprintf("%dm", c.Amount)
	}
	return formatPercent(c.Fraction)
}

func (m memoryReserve) toYAML() any {
	if m.Amount != 0 {
		return Bytes(m.Amount).toYAML()
	}
	return formatPercent(m.Fraction)
}

func (d *decoder) reserve(n ast.Node, path string, resource policy.Resource) Reserve {
	text, ok := d.text(n, path)
	if !ok {
		return Reserve{}
	}
	if number, found := strings.CutSuffix(text, "%"); found {
		f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(f >= 0 && f < 100) {
			d.faultAt(path, lead(path, fmt.Sprintf("%.40q: want less than 100%%", text)), "")
		}
		return Reserve{Fraction: f / 100}
	}
	q, err := policy.ParseQuantity(resource, text)
	amount, limited := q.Amount()
	switch {
	case err != nil:
		d.faultAt(path, lead(path, strings.TrimPrefix(err.Error(), string(resource)+": ")), "or a part of the host, such as 10%")
	case !limited:
		d.faultAt(path, lead(path, "it cannot be unlimited"), "")
	}
	return Reserve{Amount: amount}
}

func defaultSafety() safetySection {
	return safetySection{
		Cooldown:   cooldownSection{new(5 * time.Minute), new(30 * time.Minute)},
		Budget:     budgetSection{new(4), new(12), new(4)},
		Reserve:    reserveSection{&cpuReserve{Fraction: 0.10}, &memoryReserve{Fraction: 0.10}},
		Overcommit: new(true), RetryAfter: new(24 * time.Hour), Recheck: new(24 * time.Hour), ApprovalTTL: new(24 * time.Hour),
	}
}

// safety reads a complete section.
func (s safetySection) safety() Safety {
	return Safety{
		CooldownUp: *s.Cooldown.Up, CooldownDown: *s.Cooldown.Down,
		Budget:     policy.Budget{PerHour: *s.Budget.PerHour, PerDay: *s.Budget.PerDay, EmergenciesPerDay: *s.Budget.EmergenciesPerDay},
		ReserveCPU: Reserve(*s.Reserve.CPU), ReserveMemory: Reserve(*s.Reserve.Memory),
		Overcommit: *s.Overcommit, RetryAfter: *s.RetryAfter, Recheck: *s.Recheck, ApprovalTTL: *s.ApprovalTTL,
	}
}
