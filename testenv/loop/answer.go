package loop

import (
	"strings"
	"time"
)

// A Quantity is as the JSON has it: "500", "unlimited", or "" where there is none. CPU is in thousandths of a core, memory
// in bytes.
type Quantity string

// UnmarshalJSON takes null, a string or a number.
func (q *Quantity) UnmarshalJSON(b []byte) error {
	*q = Quantity(strings.Trim(string(b), `"`))
	if *q == "null" {
		*q = ""
	}
	return nil
}

// Status is what `engramd status` says.
type Status struct {
	Mode     string   `json:"mode"`
	NotReady string   `json:"not_ready"`
	Troubles []string `json:"troubles"`
	Metrics  struct {
		Scrapes []struct {
			URL    string `json:"url"`
			Target string `json:"target"`
			Up     bool   `json:"up"`
			Error  string `json:"error"`
		} `json:"scrapes"`
	} `json:"metrics"`
	Targets []Target `json:"targets"`
}

// A Target is how one target stands.
type Target struct {
	Name      string `json:"name"`
	Mode      string `json:"mode"`
	State     string `json:"state"`
	Detail    string `json:"detail"`
	Resources []struct {
		Resource   string   `json:"resource"`
		Configured Quantity `json:"configured"`
		Effective  Quantity `json:"effective"`
		Original   Quantity `json:"original"`
	} `json:"resources"`
	Policies []Policy `json:"policies"`
	Holder   *struct {
		PID     int    `json:"pid"`
		DataDir string `json:"data_dir"`
	} `json:"holder"`
	Actions []Action `json:"actions"`
}

// A Policy is what one policy says about a target now.
type Policy struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	Row     int    `json:"row"`
	Why     string `json:"why"`
}

// A Decision is one of what `engramd decisions` lists.
type Decision struct {
	ID        string   `json:"id"`
	Count     int      `json:"count"`
	Target    string   `json:"target"`
	Policy    string   `json:"policy"`
	Row       int      `json:"row"`
	Condition string   `json:"condition"`
	Verdict   string   `json:"verdict"`
	Mode      string   `json:"mode"`
	Direction string   `json:"direction"`
	From      Quantity `json:"from"`
	To        Quantity `json:"to"`
	Strategy  string   `json:"strategy"`
	Refused   string   `json:"refused"`
	Held      *Held    `json:"held"`
	ActionID  string   `json:"action_id"`
	Outcome   string   `json:"outcome"`
	Change    struct {
		Resource string `json:"resource"`
	} `json:"change"`
	Readings []struct {
		Signal string    `json:"signal"`
		Value  float64   `json:"value"`
		Known  bool      `json:"known"`
		At     time.Time `json:"at"`
	} `json:"readings"`
}

// Held is what something still waits for.
type Held struct {
	By   string `json:"by"`
	Text string `json:"text"`
}

// An Action is one change on its way, or ended.
type Action struct {
	ID         string       `json:"id"`
	DecisionID string       `json:"decision_id"`
	Target     string       `json:"target"`
	Resource   string       `json:"resource"`
	Direction  string       `json:"direction"`
	From       Quantity     `json:"from"`
	To         Quantity     `json:"to"`
	Strategy   string       `json:"strategy"`
	State      string       `json:"state"`
	Reason     string       `json:"reason"`
	PlanHash   string       `json:"plan_hash"`
	Command    string       `json:"command"`
	Times      []Transition `json:"times"`
	Checks     []struct {
		Shown *bool  `json:"shown"`
		Text  string `json:"text"`
	} `json:"checks"`
	Held       *Held     `json:"held"`
	Diagnosis  string    `json:"diagnosis"`
	RetryAfter time.Time `json:"retry_after"`
}

// A Transition is when an action entered a state.
type Transition struct {
	State  string    `json:"state"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Entered tells when the action entered a state last; ok is false if it never did.
func (a Action) Entered(state string) (at time.Time, ok bool) {
	for _, t := range a.Times {
		if t.State == state {
			at, ok = t.At, true
		}
	}
	return at, ok
}

// Final tells whether the action is over.
func (a Action) Final() bool {
	switch a.State {
	case "committed", "insufficient", "kept", "inconclusive", "superseded", "rolled_back", "failed", "cancelled", "rejected", "expired":
		return true
	}
	return false
}

// A Plan is one of what `engramd plan` shows.
type Plan struct {
	Target   string   `json:"target"`
	Resource string   `json:"resource"`
	From     Quantity `json:"from"`
	To       Quantity `json:"to"`
	Strategy string   `json:"strategy"`
	Mode     string   `json:"mode"`
	Refused  string   `json:"refused"`
	Held     *Held    `json:"held"`
	Command  string   `json:"command"`
	ActionID string   `json:"action_id"`
	PlanHash string   `json:"plan_hash"`
	Steps    []struct {
		Text string `json:"text"`
	} `json:"steps"`
}

// An Explanation is what `engramd explain` tells.
type Explanation struct {
	Decision Decision `json:"decision"`
	Action   *Action  `json:"action"`
}

// An Event is one line of events.jsonl.
type Event struct {
	At       time.Time         `json:"time"`
	Type     string            `json:"type"`
	Severity string            `json:"severity"`
	Target   string            `json:"target"`
	Resource string            `json:"resource"`
	Action   string            `json:"action"`
	Outcome  string            `json:"outcome"`
	Message  string            `json:"message"`
	Details  map[string]string `json:"details"`
}

// A Sample is one sample of a series.
type Sample struct {
	At    time.Time
	Value float64
}
