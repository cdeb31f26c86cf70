package journal

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
	bolt "go.etcd.io/bbolt"
)

// PutDecisions writes decisions in one transaction and returns them as they are kept now.
//
// A decision whose id is known replaces the one kept. Any other is compared with the newest of the
// same policy, target and resource: where that one proposed the same and its action has not ended,
// it stays, with its id, first time and deadline, takes the newer readings and counts one more. A decision
// without id gets one.
func (j *Journal) PutDecisions(ds ...policy.Decision) ([]policy.Decision, error) {
	if len(ds) == 0 {
		return nil, nil
	}
	j.index.mu.Lock()
	defer j.index.mu.Unlock()
	kept := make([]policy.Decision, 0, len(ds))
	err := j.update("put decisions", func(tx *bolt.Tx) error {
		fresh := map[subject]policy.Decision{} // of this call: not in the index yet
		for _, d := range ds {
			d, err := j.merge(tx, d, fresh)
			if err != nil {
				return err
			}
			if err := putRecord(tx, bucketDecisions, d.ID, d); err != nil {
				return err
			}
			fresh[subjectOf(d)] = d
			kept = append(kept, d)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, d := range kept {
		j.index.decision(d)
	}
	return kept, nil
}

// merge returns d as it is to be kept.
func (j *Journal) merge(tx *bolt.Tx, d policy.Decision, fresh map[subject]policy.Decision) (policy.Decision, error) {
	d.Count = max(d.Count, 1)
	if d.LastAt.IsZero() {
		d.LastAt = d.At
	}
	if j.index.knownDecisions[d.ID] {
		return d, nil
	}
	old, ok := fresh[subjectOf(d)]
	if id := j.index.latest[subjectOf(d)]; !ok && id != "" {
		var err error
		old, err = getRecord[policy.Decision](tx, bucketDecisions, id)
		ok = err == nil
	}
	if ok && same(old, d) && !j.index.ended(old.ActionID) {
		d.ID, d.At = old.ID, old.At
		d.Count = old.Count + 1
		if !old.Deadline.IsZero() {
			d.Deadline = old.Deadline // it counts from the first time
		}
		d.ActionID = cmp.Or(d.ActionID, old.ActionID)
		d.Outcome = cmp.Or(d.Outcome, old.Outcome)
		d.Diagnosis = cmp.Or(d.Diagnosis, old.Diagnosis)
		return d, nil
	}
	d.ID = cmp.Or(d.ID, NewID())
	return d, nil
}

// ended reports whether it is known that an action has ended: who proposes the same again wants
// another.
func (x *index) ended(action string) bool {
	i := slices.IndexFunc(x.actions, func(e actionEntry) bool { return e.id == action })
	return i >= 0 && actuators.Final(x.actions[i].state)
}

// same reports whether d proposes what old proposed.
func same(old, d policy.Decision) bool {
	return fingerprint(old) == fingerprint(d) && !actuators.Final(old.Outcome) &&
		(d.ActionID == "" || d.ActionID == old.ActionID)
}

func subjectOf(d policy.Decision) subject {
	return subject{target: d.Target, policy: d.Policy, resource: d.Change.Resource}
}

// fingerprint tells what d comes down to: what is wanted, on which grounds, and what stops it.
// Numbers that move with every tick (readings, and the sentences they occur in) are left out.
func fingerprint(d policy.Decision) string {
	var limits []string
	for _, t := range d.Touches {
		limits = append(limits, t.Limit)
	}
	heldBy := ""
	if d.Held != nil {
		heldBy = d.Held.By
	}
	// Marshalling these cannot fail: no type among them has a way to.
	text, _ := json.Marshal([]any{
		d.Target, d.Policy, d.Row, d.Verdict, d.Change, d.Mode, d.From, d.To, d.Direction, d.Strategy,
		limits, heldBy, d.Refused != "",
	})
	sum := sha256.Sum256(text)
	return string(sum[:16])
}

// Decision returns the decision whose id is id, or the only one whose id begins with it. It wraps
// ErrNotFound or ErrAmbiguous.
func (j *Journal) Decision(id string) (policy.Decision, error) {
	j.index.mu.RLock()
	full, err := complete(id, j.index.decisions, func(e decisionEntry) string { return e.id })
	j.index.mu.RUnlock()
	if err != nil {
		return policy.Decision{}, fmt.Errorf("decision %q: %w", id, err)
	}
	d, ok, err := getOne[policy.Decision](j, bucketDecisions, full)
	if err == nil && !ok {
		err = fmt.Errorf("decision %q: %w", id, ErrNotFound)
	}
	return d, err
}

// A DecisionFilter picks decisions. Zero fields pick all.
type DecisionFilter struct {
	Target   string
	Policy   string
	Resource policy.Resource
	// Since picks those that were made, or made again, then or later.
	Since time.Time
	// Limit is how many to return at most.
	Limit int
}

func (f DecisionFilter) picks(e decisionEntry) bool {
	return (f.Target == "" || f.Target == e.subject.target) &&
		(f.Policy == "" || f.Policy == e.subject.policy) &&
		(f.Resource == "" || f.Resource == e.subject.resource) &&
		!e.last.Before(f.Since)
}

// Decisions returns the decisions that f picks, newest first.
func (j *Journal) Decisions(f DecisionFilter) ([]policy.Decision, error) {
	j.index.mu.RLock()
	var ids []string
	for _, e := range slices.Backward(j.index.decisions) {
		if f.Limit > 0 && len(ids) == f.Limit {
			break
		}
		if f.picks(e) {
			ids = append(ids, e.id)
		}
	}
	j.index.mu.RUnlock()
	return load[policy.Decision](j, bucketDecisions, ids)
}
