package metrics

import (
	"context"
	"errors"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/threads"
)

// A Kind is why an operation failed.
type Kind uint8

// The kinds. Those up to Maintenance are not the node's fault.
const (
	None Kind = iota
	Invalid
	NotFound
	Conflict
	Version
	Cancelled
	Maintenance
	Timeout
	Busy
	QueueFull
	DiskFull
	NoMemory
	ReadOnly
	Damaged
	Closed
	Internal
	kinds // how many there are
)

var kindNames = [kinds]string{
	"none", "invalid", "not_found", "conflict", "version", "cancelled", "maintenance",
	"timeout", "busy", "queue_full", "disk_full", "no_memory", "read_only", "damaged", "closed", "internal",
}

// String returns the kind's name in labels.
func (k Kind) String() string { return kindNames[k] }

// Fault tells whether the node failed, rather than was asked for something that it must refuse.
func (k Kind) Fault() bool { return k > Maintenance }

// kindOf knows the errors of the rooms below; [Options.Kind] comes first.
func kindOf(err error) Kind {
	for _, known := range []struct {
		err  error
		kind Kind
	}{
		{record.ErrInvalid, Invalid},
		{store.ErrNotFound, NotFound},
		{store.ErrNoSpace, NotFound},
		{store.ErrVersion, Version},
		{store.ErrBusy, Busy},
		{threads.ErrQueueFull, QueueFull},
		{store.ErrFull, DiskFull},
		{store.ErrReadOnly, ReadOnly},
		{store.ErrDamaged, Damaged},
		{record.ErrCorrupt, Damaged},
		{store.ErrClosed, Closed},
		{threads.ErrClosed, Closed},
		{context.DeadlineExceeded, Timeout},
		{context.Canceled, Cancelled},
	} {
		if errors.Is(err, known.err) {
			return known.kind
		}
	}
	return Internal
}
