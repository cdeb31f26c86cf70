package journal

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/policy"
	bolt "go.etcd.io/bbolt"
)

// A Freeze keeps one resource of a target, or all of them, as it is until a person unfreezes it.
type Freeze struct {
	Target   string          `json:"target"`
	Resource policy.Resource `json:"resource,omitempty"` // "" is every resource
	Reason   string          `json:"reason"`
	By       string          `json:"by"` // a person, or "engramd"
	At       time.Time       `json:"at"`
	Until    time.Time       `json:"until,omitzero"` // zero: until unfrozen
}

// A Pause stops new actions on a target, or on all of them, for a while.
type Pause struct {
	Target string    `json:"target,omitempty"` // "" is every target
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until,omitzero"` // zero: until resumed
}

// An Original is the size that a resource of a target had before engramd touched it first.
type Original struct {
	Target   string          `json:"target"`
	Resource policy.Resource `json:"resource"`
	Size     policy.Quantity `json:"size"`
	Driver   string          `json:"driver"`
	// Spec is the driver's section of agent.yaml, so that a target which is no longer configured can
	// be released, too.
	Spec json.RawMessage `json:"spec,omitempty"`
	At   time.Time       `json:"at"`
}

// key joins what names a record; neither a target's nor a resource's name holds a slash.
func key(target string, r policy.Resource) string { return target + "/" + string(r) }

// PutFreeze writes a freeze, in place of an earlier one of the same target and resource.
func (j *Journal) PutFreeze(f Freeze) error {
	return j.putOne(bucketFreezes, key(f.Target, f.Resource), f)
}

// DropFreeze ends the freeze of one resource, or with "" the one of every resource.
func (j *Journal) DropFreeze(target string, r policy.Resource) error {
	return j.dropOne(bucketFreezes, key(target, r))
}

// Freezes lists the freezes, those that have run out included.
func (j *Journal) Freezes() ([]Freeze, error) { return allOf[Freeze](j, bucketFreezes) }

// PutPause writes a pause, in place of an earlier one of the same target.
func (j *Journal) PutPause(p Pause) error { return j.putOne(bucketPauses, key(p.Target, ""), p) }

// DropPause ends the pause of a target, or with "" the one of every target.
func (j *Journal) DropPause(target string) error { return j.dropOne(bucketPauses, key(target, "")) }

// Pauses lists the pauses, those that have run out included.
func (j *Journal) Pauses() ([]Pause, error) { return allOf[Pause](j, bucketPauses) }

// KeepOriginal writes o unless the original of that target and resource is known already, and reports
// whether it wrote. An original that could not be read is lost, and is not replaced: the size of now
// may be one of ours.
func (j *Journal) KeepOriginal(o Original) (bool, error) {
	name := key(o.Target, o.Resource)
	wrote := false
	err := j.update("keep original "+name, func(tx *bolt.Tx) error {
		if tx.Bucket(bucketOriginals).Get([]byte(name)) != nil ||
			tx.Bucket(bucketAside).Get([]byte(string(bucketOriginals)+"/"+name)) != nil {
			return nil
		}
		wrote = true
		return putRecord(tx, bucketOriginals, name, o)
	})
	return wrote && err == nil, err
}

// Originals lists the originals of a target, or with "" of all.
func (j *Journal) Originals(target string) ([]Original, error) {
	all, err := allOf[Original](j, bucketOriginals)
	return slices.DeleteFunc(all, func(o Original) bool { return target != "" && o.Target != target }), err
}

// DropOriginal forgets an original once it has been given back.
func (j *Journal) DropOriginal(target string, r policy.Resource) error {
	return j.dropOne(bucketOriginals, key(target, r))
}

// PutLedger writes what policy's ledger of a target is (budgets, cooldowns).
func (j *Journal) PutLedger(target string, ledger json.RawMessage) error {
	return j.putOne(bucketLedgers, target, ledger)
}

// Ledger reads the ledger of a target; ok is false if there is none.
func (j *Journal) Ledger(target string) (ledger json.RawMessage, ok bool, err error) {
	return getOne[json.RawMessage](j, bucketLedgers, target)
}

// PutMeta writes a value of the agent's own that must outlive it, under a name.
func (j *Journal) PutMeta(name string, v json.RawMessage) error {
	return j.putOne(bucketMeta, "agent/"+name, v)
}

// PutMetas writes several such values at once.
func (j *Journal) PutMetas(all map[string]json.RawMessage) error {
	return j.update(fmt.Sprintf("put %s: %d values", bucketMeta, len(all)), func(tx *bolt.Tx) error {
		for name, v := range all {
			if err := putRecord(tx, bucketMeta, "agent/"+name, v); err != nil {
				return err
			}
		}
		return nil
	})
}

// Meta reads what PutMeta wrote; ok is false if there is nothing.
func (j *Journal) Meta(name string) (v json.RawMessage, ok bool, err error) {
	return getOne[json.RawMessage](j, bucketMeta, "agent/"+name)
}
