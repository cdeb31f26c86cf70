package store

import (
	"errors"

	"github.com/engramd/engramd/node/record"
)

// What a change can be refused with. They are wrapped; errors.Is finds them.
var (
	// ErrExists: a Put with IfAbsent of an id that is there.
	ErrExists = errors.New("a memory of this id exists")
	// ErrNotFound: no memory of this id.
	ErrNotFound = errors.New("no such memory")
	// ErrVersion: the memory has another version than IfVersion.
	ErrVersion = errors.New("the memory has changed meanwhile")
	// ErrNoSpace: no space of this name.
	ErrNoSpace = errors.New("no such space")
	// ErrBusy: the memtable is at its bound and did not get below it in time.
	ErrBusy = errors.New("too many writes wait for the checkpoint")
	// ErrFull: the disk is full. Reads go on, and writes when there is room.
	ErrFull = errors.New("the disk is full")
	// ErrReadOnly: a sync failed; what the disk has is unknown until the node is started again.
	ErrReadOnly = errors.New("read-only since a failed sync: restart the node")
	// ErrClosed: the store is closing.
	ErrClosed = errors.New("the store is closed")
	// ErrDamaged: the base of the space is damaged. See DamageError.
	ErrDamaged = errors.New("the space is damaged")
)

// A Change is one wish of a caller: an op before it has its place in the log. Exactly one of the forms
// below, by Kind.
//
//	Put         ID, Value (AppendValue), Vector if this write sets it; IfAbsent or IfVersion or neither; Access if it has LastAt
//	Delete      ID; IfVersion or not
//	Link        ID (from), ToID, Weight
//	Unlink      ID (from), ToID
//	Strengthen  Ord, To, Weight
//	Touch       Ord, Access
//	Free        Ord
type Change struct {
	Kind      record.Kind
	ID, ToID  string
	IfAbsent  bool
	IfVersion uint64       // 0: any
	Value     record.Value // sealed in place: belongs to the store once handed in
	Vector    []float32    // belongs to the store once handed in
	Ord, To   record.Ord
	Weight    record.Weight
	Access    record.Access
	// Expect are versions that other memories must have, or the change is refused with ErrVersion.
	Expect []Expected
	// With makes the change go with the last one before it in the group that has no With: where that is refused, so is this.
	With bool

	key, toKey idKey // of ID and ToID
	invalid    error // what is wrong with a Put by itself
}

// An Expected is a version that a memory must have.
type Expected struct {
	Ord     record.Ord
	Version uint64
}

// A Result says what became of one change. Err is nil, or a refusal that left no trace.
type Result struct {
	Ord     record.Ord
	Version uint64 // the LSN of the change
	Err     error
}
