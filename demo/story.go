package demo

import (
	"fmt"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// An outcome is what a phase is for.
type outcome struct {
	what     string // for people: "a growth that helped"
	resource func(policy.Resource) bool
	state    actuators.ActionState
}

func workers(r policy.Resource) bool { return r == policy.ThreadsSpreading }

func tiers(r policy.Resource) bool {
	return r == policy.EvictNow || r == policy.TiersHotThreshold || r == policy.TiersWarmThreshold
}

// The outcomes that the demo is for.
var (
	growth    = &outcome{"a growth that helped, committed", workers, actuators.Committed}
	balance   = &outcome{"a rebalancing of the tiers, committed", tiers, actuators.Committed}
	takenBack = &outcome{"a growth that helped nobody, taken back with a diagnosis", workers, actuators.RolledBack}
)

// A phase is one part of the load.
type phase struct {
	name string
	note string
	// clients ask for spreads, with a pause between an answer and the next question.
	clients int
	pause   time.Duration
	// fresh memories are imported when it begins.
	fresh int
	// until is what has to happen before the next phase begins; nil: nothing.
	until *outcome
	// lasts is how long it takes, at most if it waits for something.
	lasts time.Duration
}

// fresh is how many memories the spike brings: half as many as there are.
const fresh = memories / 2

// many are more than two workers can ever serve at once.
const many = 8 * few

// story is the demo, where spreads have so many cores. The times add up to 66 seconds; mostly it takes half of
// them.
func story(cores int) []phase {
	return []phase{
		{name: "calm", clients: 1, pause: 300 * time.Millisecond, lasts: 4 * time.Second,
			note: "One client asks for a spread now and then. One worker serves it."},
		{name: "rising", clients: few, until: growth, lasts: 20 * time.Second,
			note: "Three clients ask without a pause: one is served, two wait for the worker."},
		{name: "spiking", clients: 2, fresh: fresh, until: balance, lasts: 20 * time.Second,
			note: fmt.Sprintf("%d new memories arrive at once, and new memories are hot.", fresh)},
		{name: "pathological", clients: many, until: takenBack, lasts: 22 * time.Second,
			note: fmt.Sprintf("%d clients at once. %s", many, usedUp(cores))},
	}
}

// usedUp says why more workers help nobody.
func usedUp(cores int) string {
	switch cores {
	case 1:
		return "There is one core, and one worker uses it up: more workers only take turns."
	case spreadingCores:
		return "Two cores are there for spreads, and two workers use them up: more workers only take turns."
	}
	return fmt.Sprintf("Workers cannot be bound to cores here, so that spreads have all %d: whether more workers help depends on them.", cores)
}
