package journal

import (
	"time"

	"github.com/engramd/engramd/actuators"
	bolt "go.etcd.io/bbolt"
)

// A Retention bounds the history. Zero fields do not bound.
type Retention struct {
	Age       time.Duration // since the last change of an ended action or of a decision
	Actions   int
	Decisions int
}

// keepActions is how long an ended action stays whatever the numbers say: a reversal is counted for
// seven days after a commit.
const keepActions = 7 * 24 * time.Hour

// Prune drops history beyond keep, oldest first, and returns how many records went. Open actions,
// those that still bar a change without effect, and the decisions of kept actions stay.
func (j *Journal) Prune(now time.Time, keep Retention) (int, error) {
	j.index.mu.Lock()
	defer j.index.mu.Unlock()
	actions, wanted := j.index.spareActions(now, keep)
	decisions := j.index.spareDecisions(now, keep, wanted)
	if len(actions)+len(decisions) == 0 {
		return 0, nil
	}
	err := j.update("prune", func(tx *bolt.Tx) error {
		for id := range actions {
			if err := tx.Bucket(bucketActions).Delete([]byte(id)); err != nil {
				return err
			}
		}
		for id := range decisions {
			if err := tx.Bucket(bucketDecisions).Delete([]byte(id)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for id := range decisions {
		delete(j.repeated, id)
	}
	j.index.drop(actions, decisions)
	return len(actions) + len(decisions), nil
}

// old reports whether a record last touched at last is beyond an age.
func (r Retention) old(now, last time.Time) bool { return r.Age > 0 && now.Sub(last) > r.Age }

// spareActions picks the actions to drop, and the decisions that those which stay came from.
func (x *index) spareActions(now time.Time, keep Retention) (spare, wanted map[string]bool) {
	spare, wanted = map[string]bool{}, map[string]bool{}
	for i, e := range x.actions {
		over := keep.Actions > 0 && len(x.actions)-i > keep.Actions
		needed := !actuators.Final(e.state) || e.until.After(now) || now.Sub(e.last) < keepActions
		if !needed && (over || keep.old(now, e.last)) {
			spare[e.id] = true
		} else {
			wanted[e.decision] = true
		}
	}
	return spare, wanted
}

func (x *index) spareDecisions(now time.Time, keep Retention, wanted map[string]bool) map[string]bool {
	spare := map[string]bool{}
	for i, e := range x.decisions {
		over := keep.Decisions > 0 && len(x.decisions)-i > keep.Decisions
		if !wanted[e.id] && (over || keep.old(now, e.last)) {
			spare[e.id] = true
		}
	}
	return spare
}
