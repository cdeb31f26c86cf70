package journal

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
	bolt "go.etcd.io/bbolt"
)

// sparing is for how long what only repeats itself is kept in memory before it is written: a crash forgets that
// many repetitions, and nothing else.
const sparing = time.Minute

// PutDecisions keeps decisions, in one transaction, and returns them as they are kept now.
//
// A decision whose id is known replaces the one kept. Any other is compared with the newest of the
// same policy, target and resource: where that one proposed the same and its action has not ended,
// it stays, with its id, first time and deadline, takes the newer readings and counts one more. A decision
// without id gets one.
//
// Where all of them only count one more, they are written within a minute, with whatever is written next, and at
// Close. Who reads them here sees every one.
func (j *Journal) PutDecisions(ds ...policy.Decision) ([]policy.Decision, error) {
	if len(ds) == 0 {
		return nil, nil
	}
	j.index.mu.Lock()
	defer j.index.mu.Unlock()
	kept, news, err := j.mergeAll(ds)
	if err != nil {
		return nil, err
	}
	now := kept[len(kept)-1].LastAt
	if !news && now.Sub(j.written).Abs() < sparing {
		for _, d := range kept {
			j.repeated[d.ID] = d
		}
	} else if err := j.write(kept); err != nil {
		return nil, err
	} else {
		j.written = now
	}
	for _, d := range kept {
		j.index.decision(d)
	}
	return kept, nil
}

// write writes decisions, and those that only repeated themselves since the last time.
func (j *Journal) write(kept []policy.Decision) error {
	err := j.update("put decisions", func(tx *bolt.Tx) error {
		for _, d := range slices.AppendSeq(slices.Collect(maps.Values(j.repeated)), slices.Values(kept)) {
			if err := putRecord(tx, bucketDecisions, d.ID, d); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		clear(j.repeated)
	}
	return err
}

// mergeAll returns ds as they are to be kept. news says that one of them does more than count one more.
func (j *Journal) mergeAll(ds []policy.Decision) (kept []policy.Decision, news bool, err error) {
	fresh := map[subject]policy.Decision{} // of this call: not in the index yet
	err = j.view("look for decisions", func(tx *bolt.Tx) error {
		for _, d := range ds {
			d, repeats := j.merge(tx, d, fresh)
			news = news || !repeats
			fresh[subjectOf(d)] = d
			kept = append(kept, d)
		}
		return nil
	})
	return kept, news, err
}

// merge returns d as it is to be kept, and whether it only repeats one that is.
func (j *Journal) merge(tx *bolt.Tx, d policy.Decision, fresh map[subject]policy.Decision) (_ policy.Decision, repeats bool) {
	d.Count = max(d.Count, 1)
	if d.LastAt.IsZero() {
		d.LastAt = d.At
	}
	if j.index.knownDecisions[d.ID] {
		old, ok := j.kept(tx, d.ID)
		return d, ok && again(old, d)
	}
	old, ok := fresh[subjectOf(d)]
	if id := j.index.latest[subjectOf(d)]; !ok && id != "" {
		old, ok = j.kept(tx, id)
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
		return d, again(old, d)
	}
	d.ID = cmp.Or(d.ID, NewID())
	return d, false
}

// kept is a decision as it is kept now, false if it cannot be read.
func (j *Journal) kept(tx *bolt.Tx, id string) (policy.Decision, bool) {
	if d, ok := j.repeated[id]; ok {
		return d, true
	}
	d, err := getRecord[policy.Decision](tx, bucketDecisions, id)
	return d, err == nil
}

// again reports whether d is old counted once more, and nothing else that matters.
func again(old, d policy.Decision) bool {
	return d.Count > old.Count && d.ActionID == old.ActionID && d.Outcome == old.Outcome && d.Diagnosis == old.Diagnosis &&
		fingerprint(d) == fingerprint(old)
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
	repeated, ok := j.repeated[full]
	j.index.mu.RUnlock()
	if err != nil {
		return policy.Decision{}, fmt.Errorf("decision %q: %w", id, err)
	}
	if ok {
		return repeated, nil
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
	repeated := maps.Clone(j.repeated)
	j.index.mu.RUnlock()
	all, err := load[policy.Decision](j, bucketDecisions, ids)
	for i, d := range all {
		if newer, ok := repeated[d.ID]; ok {
			all[i] = newer
		}
	}
	return all, err
}
