package fake

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// A Journal keeps actions in memory, as the bytes that a real one would write.
type Journal struct {
	mu      sync.Mutex
	records map[string][]byte
	order   []string
	puts    int
	full    error
	onPut   func(n int, a actuators.Action) error
}

// NewJournal returns an empty journal.
func NewJournal() *Journal { return &Journal{records: map[string][]byte{}} }

// Fill makes every Put fail with err, as on a full disk; nil ends that.
func (j *Journal) Fill(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.full = err
}

// OnPut is asked before each Put, counted from 1; an error refuses it.
func (j *Journal) OnPut(ask func(n int, a actuators.Action) error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.onPut = ask
}

// Put implements [actuators.Journal].
func (j *Journal) Put(a actuators.Action) error {
	b, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode action %s: %w", a.ID, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.puts++
	if j.onPut != nil {
		if err := j.onPut(j.puts, a); err != nil {
			return err
		}
	}
	if j.full != nil {
		return j.full
	}
	if !slices.Contains(j.order, a.ID) {
		j.order = append(j.order, a.ID)
	}
	j.records[a.ID] = b
	return nil
}

// Actions reads the journal back, oldest first, each with its target.
func (j *Journal) Actions() ([]actuators.Action, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []actuators.Action
	for _, id := range j.order {
		var a actuators.Action
		if err := json.Unmarshal(j.records[id], &a); err != nil {
			return nil, fmt.Errorf("decode action %s: %w", id, err)
		}
		a.Target = policy.Target{Name: a.TargetName, Specs: map[string]any{Name: &Spec{Service: a.TargetName}}}
		all = append(all, a)
	}
	return all, nil
}
