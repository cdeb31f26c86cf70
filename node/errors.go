package node

import (
	"errors"
	"fmt"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/tier"
)

// What a call can fail with, besides its context's end. errors.Is finds them in what is returned.
var (
	ErrInvalid  = record.ErrInvalid // what was handed in is not allowed
	ErrNotFound = store.ErrNotFound // no such memory
	ErrNoSpace  = store.ErrNoSpace  // no such space
	ErrVersion  = store.ErrVersion  // the memory has another version than the caller expects
	ErrBusy     = store.ErrBusy     // too many writes wait: try again later
	ErrFull     = store.ErrFull     // no room: reads go on
	ErrMemory   = errors.New("no memory is left for more: nothing is left to evict (index_bytes of the storage statistics says what the index takes); " +
		"delete memories or raise the memory limit")
	ErrReadOnly    = store.ErrReadOnly // a sync failed: restart the node
	ErrDamaged     = store.ErrDamaged  // the space is damaged: restore it
	ErrCorrupt     = record.ErrCorrupt // this memory is damaged
	ErrClosed      = store.ErrClosed   // the node is closing
	ErrOwned       = tier.ErrOwned     // somebody else owns the eviction settings
	ErrPolicy      = tier.ErrPolicy    // a tier policy that makes no sense
	ErrConflict    = errors.New("a memory of this id exists with another content")
	ErrMaintenance = errors.New("the node is in maintenance mode and takes no writes")
)

// A MaintenanceError says that writes wait for the end of maintenance mode.
type MaintenanceError struct {
	Owner      string
	RetryAfter time.Duration // a guess where the end is not known
}

func (e *MaintenanceError) Error() string {
	return fmt.Sprintf("%v (%s switched it on); try again in %v", ErrMaintenance, e.Owner, e.RetryAfter)
}

// Unwrap makes errors.Is(err, ErrMaintenance) true.
func (e *MaintenanceError) Unwrap() error { return ErrMaintenance }
