// Package conformance is what every driver must hold, as one suite: a new driver's test says how to
// start a fresh target and between which sizes to move it, and the suite does the rest.
//
//	conformance.Run(t, conformance.Suite{
//		Fresh: func(t *testing.T, sizes policy.Size) conformance.Harness { ... },
//		Moves: []conformance.Move{{Resource: policy.CPU, From: policy.Amount(500), To: policy.Amount(1000), Strategy: policy.Live}},
//	})
//
// Each case gets a target of its own, which Fresh clears away through t.Cleanup. Steps pass through
// JSON before they are carried out, as they do through the journal.
package conformance

import (
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// A Suite says how to try one driver.
type Suite struct {
	// Fresh starts a target with the given sizes, running. A resource that is absent from sizes is
	// not limited.
	Fresh func(t *testing.T, sizes policy.Size) Harness
	// Moves are changes that the driver can make.
	Moves []Move
	// Refused are changes that it must refuse; Strategy is not used.
	Refused []Move
	// Patience is how long the platform may take to show what was done; 0 is 10 s.
	Patience time.Duration
}

// A Harness is one fresh target and what surrounds it.
type Harness struct {
	Driver actuators.Driver
	Target policy.Target
	// Absent is a target that does not exist.
	Absent policy.Target
	// Running counts what runs of the target, by other means than the driver; nil asks the driver.
	Running func(t *testing.T) int
	// Away makes the platform unreachable, Back reachable again. Both nil: not possible here.
	Away, Back func(t *testing.T)
}

// A Move is a change of one resource.
type Move struct {
	Name     string // of the case; "" is made of the sizes
	Resource policy.Resource
	From, To policy.Quantity
	Strategy policy.Strategy
	// Target changes the target before it is used; nil leaves it.
	Target func(*policy.Target)
	// Irreversible says that it cannot be undone, and is only finished forward.
	Irreversible bool
	// Along are other resources that move with it.
	Along []policy.Resource
}

func (m Move) name() string {
	if m.Name != "" {
		return m.Name
	}
	return string(m.Resource) + " " + m.Resource.Format(m.From) + " to " + m.Resource.Format(m.To)
}

// Run tries the driver.
func Run(t *testing.T, s Suite) {
	t.Helper()
	if s.Patience == 0 {
		s.Patience = 10 * time.Second
	}
	t.Run("absent target", s.absent)
	for _, m := range s.Moves {
		t.Run(m.name(), func(t *testing.T) { s.move(t, m) })
	}
	for _, m := range s.Refused {
		t.Run("refuse "+m.name(), func(t *testing.T) { s.refuse(t, m) })
	}
}

func (s Suite) move(t *testing.T, m Move) {
	type aCase struct {
		name string
		try  func(*bench)
	}
	cases := []aCase{
		{"plan is pure", (*bench).planIsPure},
		{"do shows", (*bench).doShows},
		{"finish", (*bench).finish},
		{"context", (*bench).context},
		{"platform away", (*bench).away},
	}
	if m.Irreversible {
		s.forward(t, m)
	} else {
		cases = append(cases,
			aCase{"do twice", (*bench).doTwice},
			aCase{"undo restores", (*bench).undoRestores},
			aCase{"undo without do", (*bench).undoWithoutDo},
			aCase{"undo after every part of a do", (*bench).undoPartial},
			aCase{"back by a plan", (*bench).backByPlan},
		)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.try(s.bench(t, m)) })
	}
}
