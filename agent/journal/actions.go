package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
	bolt "go.etcd.io/bbolt"
)

// Put writes an action and returns once it is on disk. It implements [actuators.Journal].
func (j *Journal) Put(a actuators.Action) error {
	j.index.mu.Lock()
	defer j.index.mu.Unlock()
	if err := j.putOne(bucketActions, a.ID, a); err != nil {
		return err
	}
	j.index.action(a)
	return nil
}

// Action returns the action whose id is id, or the only one whose id begins with it. It wraps
// ErrNotFound or ErrAmbiguous.
func (j *Journal) Action(id string) (actuators.Action, error) {
	j.index.mu.RLock()
	full, err := complete(id, j.index.actions, func(e actionEntry) string { return e.id })
	j.index.mu.RUnlock()
	if err != nil {
		return actuators.Action{}, fmt.Errorf("action %q: %w", id, err)
	}
	a, ok, err := getOne[actuators.Action](j, bucketActions, full)
	if err == nil && !ok {
		err = fmt.Errorf("action %q: %w", id, ErrNotFound)
	}
	return a, err
}

// An ActionFilter picks actions. Zero fields pick all.
type ActionFilter struct {
	Target   string
	Resource policy.Resource
	// Open picks those that have not ended, States those in one of these states.
	Open   bool
	States []actuators.ActionState
	// Since picks those whose last transition was then or later.
	Since time.Time
	// Limit is how many to return at most.
	Limit int
}

func (f ActionFilter) picks(e actionEntry) bool {
	return (f.Target == "" || f.Target == e.target) &&
		(f.Resource == "" || f.Resource == e.resource) &&
		(!f.Open || !actuators.Final(e.state)) &&
		(len(f.States) == 0 || slices.Contains(f.States, e.state)) &&
		!e.last.Before(f.Since)
}

// Actions returns the actions that f picks, newest first.
func (j *Journal) Actions(f ActionFilter) ([]actuators.Action, error) {
	j.index.mu.RLock()
	var ids []string
	for _, e := range slices.Backward(j.index.actions) {
		if f.Limit > 0 && len(ids) == f.Limit {
			break
		}
		if f.picks(e) {
			ids = append(ids, e.id)
		}
	}
	j.index.mu.RUnlock()
	return load[actuators.Action](j, bucketActions, ids)
}

// load reads records by id. One that went bad since Open is reported and left out.
func load[T any](j *Journal, bucket []byte, ids []string) ([]T, error) {
	all := make([]T, 0, len(ids))
	err := j.view("list "+string(bucket), func(tx *bolt.Tx) error {
		for _, id := range ids {
			v, err := getRecord[T](tx, bucket, id)
			if errors.Is(err, errRecord) {
				j.log.Error("journal record cannot be read and is left out", "bucket", string(bucket), "key", id, "error", err)
				continue
			}
			if errors.Is(err, ErrNotFound) {
				continue // pruned meanwhile
			}
			if err != nil {
				return err
			}
			all = append(all, v)
		}
		return nil
	})
	return all, err
}

// complete finds the id that begin is, or begins.
func complete[E any](begin string, entries []E, id func(E) string) (string, error) {
	found := ""
	for _, e := range entries {
		switch full := id(e); {
		case full == begin:
			return full, nil
		case begin != "" && strings.HasPrefix(full, begin):
			if found != "" {
				return "", fmt.Errorf("%w: %s and %s begin like it", ErrAmbiguous, found, full)
			}
			found = full
		}
	}
	if found == "" {
		return "", ErrNotFound
	}
	return found, nil
}
