package tier

import (
	"github.com/engramd/engramd/node/record"
)

// Copies keep values on the heap, best effort: a copy may be missing at any time, and one that is there may be of an older
// version. Values are shared and never changed. All methods may be called from any goroutine; Close comes after all others.
type Copies interface {
	// Get returns the copy under key.
	Get(key uint64) (record.Value, bool)
	// Set offers v, which belongs to the copies from now on.
	Set(key uint64, v record.Value)
	// Drop forgets the copy under key.
	Drop(key uint64)
	// Clear forgets everything.
	Clear()
	// Resize changes how many bytes of heap the copies may take. What is too much goes with what is set from then on.
	Resize(bytes int64)
	// Usage tells how many copies there are, and what they take.
	Usage() Usage
	Close()
}

// Usage is what copies take of the heap.
type Usage struct {
	Records int64 `json:"records"`
	// Bytes is the copies with all that is kept for each.
	Bytes int64 `json:"bytes"`
	// FixedBytes is what is taken whether there are copies or not.
	FixedBytes int64 `json:"fixed_bytes"`
	LimitBytes int64 `json:"limit_bytes"`
}

// copyKey is the key of a memory among the copies of all spaces.
func copyKey(space record.SpaceID, ord record.Ord) uint64 { return uint64(space)<<32 | uint64(ord) }
