package record

import (
	"encoding/json"
	"time"
)

// An Ord is the place of a memory inside its space. Ordinals begin at 1, are dense, and are given again
// only after the graph has dropped every edge of the memory that had it before. Zero is no memory.
type Ord uint32

// A SpaceID names a space in the log. It is never given twice: what the log says about a space that was
// deleted or replaced by a restore is therefore ignored, without a look at any clock.
type SpaceID uint32

// Type says what kind of memory it is.
type Type uint8

// The types of memories. Episodic is the default.
const (
	Episodic Type = iota
	Semantic
)

// A Memory is one record as people see it. Times have millisecond precision.
type Memory struct {
	ID         string
	Type       Type
	Content    string
	Vector     []float32 // empty: none
	Tags       []string
	Metadata   json.RawMessage // a compact JSON object, or empty
	Confidence float32         // 0 to 1
	Redirect   string          // the id that took this one's place in a merge of duplicates, or empty
	CreatedAt  time.Time
	UpdatedAt  time.Time
	ExpiresAt  time.Time // zero: never

	// Version is the log sequence number of the last change of anything above. Accesses do not change
	// it. It grows, and no two writes of the node share one.
	Version uint64

	// Access is not part of a version; the tiers keep it.
	Access Access
}

// Access is how warm a memory is: its activation at its last access, and when and how often it was
// accessed.
type Access struct {
	Activation float32 // 0 to 1, at LastAt
	Count      uint32
	LastAt     time.Time
}

// An Edge leads from one memory to another of the same space.
type Edge struct {
	From, To string
	Weight   Weight
}

// ParseType reads "episodic" or "semantic"; the empty string is episodic.
func ParseType(s string) (Type, error) {
	switch s {
	case "", "episodic":
		return Episodic, nil
	case "semantic":
		return Semantic, nil
	}
	return 0, invalid("type", "%q is neither episodic nor semantic", s)
}

// String returns the name that [ParseType] reads.
func (t Type) String() string {
	if t == Semantic {
		return "semantic"
	}
	return "episodic"
}
