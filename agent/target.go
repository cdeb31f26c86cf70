package agent

import (
	"encoding/json"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/process"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

// A target is what the loop knows of one target. Only the loop's goroutine touches it, but for the
// observer and the claim, which guard themselves.
type target struct {
	cfg config.Target
	// retired says that the configuration no longer names it; it is kept while an action of it is open.
	// successor is what the configuration means by its name by now, nil if nothing.
	retired   bool
	successor *config.Target
	observer  *observer
	claim     *claim

	policies map[string]*policyState // by policy name
	sizers   map[string]*sizer       // by right-size policy
	// freshAt is the end of each resource's last change + settle.
	freshAt map[policy.Resource]time.Time
	// changedAt is when our last change of any of them ended: what was observed before is not so any more.
	changedAt time.Time
	ledger    policy.Ledger
	shadow    policy.Ledger // what dry runs would have spent
	// waiting holds the action that each resource waits with, running those that the executor has or
	// is about to get, by id.
	waiting map[policy.Resource]*actuators.Action
	running map[string]actuators.Action
	// leftovers are committed actions of an earlier life, by id, of which the executor still has to clear something away.
	leftovers map[string]actuators.Action
	stuck     map[string]bool // those of both that the executor cannot take up
	// superseded is what ended for a further growth of each resource that has not begun yet.
	superseded map[policy.Resource]actuators.Action
	tried      []policy.Attempt
	// committed is the newest committed action of each resource, for reversals.
	committed map[policy.Resource]actuators.Action
	// views are the decisions of the last tick, with their plans, for `plan` and `status`.
	views []view
	// episodes are the firing episodes of alerts that led to something, by what it was; see episodeOf.
	episodes map[string]string
	// releases names who wants which resource given back and could not have it at once.
	releases map[policy.Resource]string
	sizes    policy.Size
	runtime  *process.Runtime        // what runs in it, as far as it was found out
	faults   map[string]string       // the last fault of what is tried again and again, by what it is
	drift    map[policy.Resource]int // ticks in a row that configured and effective differ
	blind    string                  // why nothing can be decided, "" if it can
	// toldBlind and toldStandby say that events told of it, and will tell when it is over.
	toldBlind, toldStandby bool
	// paused says who asked on the platform itself that nothing be touched, and why.
	paused       string
	reconciling  bool // late parts are being brought to the committed size
	owns, owning bool // what the platform does by itself is ours; it is just being taken or given back
}

// policyState is what is remembered of one policy on one target.
type policyState struct {
	clocks policy.Clocks
	last   policy.Evaluation
	since  time.Time // of the first evaluation
	at     time.Time // of the last
	told   bool      // that it sees all of its signals
	// toldBlind says that events told that it does not, and will tell when it is over.
	toldBlind bool
	// diagnosis is what was found when the row that speaks asked for one, "" if it does not.
	diagnosis  string
	diagnosing bool // one is being made
}

// A view is one decision as it stands, with how it would be carried out.
type view struct {
	decision policy.Decision
	plan     actuators.Plan
	hash     string
}

// takeUp remembers an action of an earlier life that the executor has to bring to its end. One that only leaves something to clear away
// is over: it hinders nothing.
func (t *target) takeUp(one actuators.Action) {
	if !actuators.Final(one.State) {
		t.running[one.ID] = one
		return
	}
	t.leftovers[one.ID] = one
	if touched(one) {
		t.committed[one.Resource] = one
	}
}

func newTarget(cfg config.Target, drivers map[string]actuators.Driver) *target {
	t := &target{
		cfg:        cfg,
		claim:      newClaim(),
		policies:   map[string]*policyState{},
		sizers:     map[string]*sizer{},
		freshAt:    map[policy.Resource]time.Time{},
		waiting:    map[policy.Resource]*actuators.Action{},
		running:    map[string]actuators.Action{},
		leftovers:  map[string]actuators.Action{},
		stuck:      map[string]bool{},
		superseded: map[policy.Resource]actuators.Action{},
		committed:  map[policy.Resource]actuators.Action{},
		episodes:   map[string]string{},
		releases:   map[policy.Resource]string{},
		drift:      map[policy.Resource]int{},
		faults:     map[string]string{},
	}
	t.observer = newObserver(cfg, drivers)
	return t
}

// reconfigure gives the target another configuration; what is remembered of it stays.
func (t *target) reconfigure(cfg config.Target, drivers map[string]actuators.Driver) {
	t.cfg = cfg
	t.retired, t.successor = false, nil
	t.observer.reconfigure(cfg, drivers)
}

// policy returns what is remembered of a policy.
func (t *target) policy(name string) *policyState {
	p := t.policies[name]
	if p == nil {
		p = &policyState{}
		t.policies[name] = p
	}
	return p
}

// owners names the driver of each resource that can be changed: the first that the target names.
func (t *target) owners(drivers map[string]actuators.Driver) map[policy.Resource]string {
	owners := map[policy.Resource]string{}
	for _, name := range t.cfg.Drivers {
		d, ok := drivers[name]
		if !ok {
			continue
		}
		for _, r := range d.Resources() {
			if _, taken := owners[r]; !taken {
				owners[r] = name
			}
		}
	}
	return owners
}

// open lists the target's open actions as deciding needs them.
func (t *target) open() []policy.OpenAction {
	var all []policy.OpenAction
	add := func(a actuators.Action) {
		all = append(all, policy.OpenAction{
			ID: a.ID, Resource: a.Resource, Direction: a.Direction, State: a.State,
			Policy: a.Decision.Policy, Row: a.Decision.Row, From: a.From, To: a.To, Deadline: a.Decision.Deadline,
		})
	}
	for _, a := range t.waiting {
		add(*a)
	}
	for _, a := range t.running {
		if a.State == actuators.Proposed || a.State == actuators.Waiting {
			a.State = actuators.Applying // it was handed over, and has the target for itself
		}
		add(a)
	}
	return all
}

// waitingFor returns the action that waits with exactly this plan, nil if none does.
func (t *target) waitingFor(hash string, r policy.Resource) *actuators.Action {
	if w := t.waiting[r]; w != nil && hash != "" && w.PlanHash == hash {
		return w
	}
	return nil
}

// approved reports whether a person said yes to exactly this plan, and the yes still holds.
func (t *target) approved(r policy.Resource, hash string, now time.Time) bool {
	w := t.waitingFor(hash, r)
	return w != nil && w.Approval != nil && w.Approval.PlanHash == hash && now.Before(w.Approval.Expires)
}

// specJSON is the section of the driver for the journal.
func (t *target) specJSON(driver string) (json.RawMessage, error) {
	return json.Marshal(t.cfg.Specs[driver])
}
