package node

import (
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/tier"
)

// A Filter says which memories are meant. Its zero value means all of them; a memory must pass all that is set. The same filter serves recall,
// lists, deleting and export.
type Filter struct {
	Tags          []string     // all of them
	Type          *record.Type // nil: both
	CreatedAfter  time.Time    // then or later
	CreatedBefore time.Time    // earlier than that
	Tiers         []tier.Tier  // one of them; none: any
	MinConfidence float32      // 0 to 1
}

// Empty tells whether every memory passes.
func (f *Filter) Empty() bool {
	return len(f.Tags) == 0 && f.Type == nil && f.CreatedAfter.IsZero() && f.CreatedBefore.IsZero() && len(f.Tiers) == 0 && f.MinConfidence == 0
}

// Validate returns what is wrong first, as a [record.InvalidError].
func (f *Filter) Validate() error {
	if len(f.Tags) > record.MaxTags {
		return &record.InvalidError{Field: "tags", Reason: fmt.Sprintf("are %d; a memory has at most %d", len(f.Tags), record.MaxTags)}
	}
	if f.Type != nil && *f.Type > record.Semantic {
		return &record.InvalidError{Field: "type", Reason: fmt.Sprintf("%d is unknown", *f.Type)}
	}
	if !f.CreatedAfter.IsZero() && !f.CreatedBefore.IsZero() && !f.CreatedAfter.Before(f.CreatedBefore) {
		return &record.InvalidError{Field: "created_before", Reason: "is not later than created_after, so that nothing can be in between"}
	}
	for _, t := range f.Tiers {
		if !slices.Contains(tier.All[:], t) {
			return &record.InvalidError{Field: "tiers", Reason: fmt.Sprintf("%d is none of hot, warm and cold", t)}
		}
	}
	if x := f.MinConfidence; !(x >= 0 && x <= 1) {
		return &record.InvalidError{Field: "min_confidence", Reason: fmt.Sprintf("%v is outside [0, 1]", x)}
	}
	return nil
}

// matches tells whether m, which is in tier t, passes.
func (f *Filter) matches(m *Memory, t tier.Tier) bool {
	switch {
	case f.Type != nil && m.Type != *f.Type, m.Confidence < f.MinConfidence:
		return false
	case !f.CreatedAfter.IsZero() && m.CreatedAt.Before(f.CreatedAfter):
		return false
	case !f.CreatedBefore.IsZero() && !m.CreatedAt.Before(f.CreatedBefore):
		return false
	case !f.inTier(t):
		return false
	}
	for _, tag := range f.Tags {
		if !slices.Contains(m.Tags, tag) {
			return false
		}
	}
	return true
}

func (f *Filter) inTier(t tier.Tier) bool { return len(f.Tiers) == 0 || slices.Contains(f.Tiers, t) }

// Keeping returns what [Node.List] asks about each memory of a space, nil if all pass.
func (n *Node) Keeping(space string, f Filter) (func(*Memory) bool, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	s, err := n.store.Space(space)
	if err != nil || f.Empty() {
		return nil, err
	}
	return func(m *Memory) bool { return f.matches(m, tierOf(s, m.ID)) }, nil
}

// tierOf returns where the memory of this id is.
func tierOf(s *store.Space, id string) tier.Tier {
	ord, _, _ := s.Lookup(id)
	t, _ := viewsOf(s).tiers.Tier(ord)
	return t
}
