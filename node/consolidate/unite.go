package consolidate

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/engramd/engramd/node/record"
)

// Before tells whether a is the older of two memories.
func Before(a, b *record.Memory) bool {
	if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
		return c < 0
	}
	return strings.Compare(a.ID, b.ID) < 0
}

// Covers tells whether all that people say about m is in a as well, which took its place or could.
func Covers(a, m *record.Memory) bool {
	if a.Type != m.Type || a.Content != m.Content || a.Confidence < m.Confidence || !within(a.ExpiresAt, m.ExpiresAt) {
		return false
	}
	if !bytes.Equal(a.Metadata, m.Metadata) || len(m.Vector) > 0 && !slices.Equal(a.Vector, m.Vector) {
		return false
	}
	return !slices.ContainsFunc(m.Tags, func(tag string) bool { return !slices.Contains(a.Tags, tag) })
}

// within tells whether what expires at a lives at least as long as what expires at b.
func within(a, b time.Time) bool {
	return a.IsZero() || !b.IsZero() && !a.Before(b)
}

// unite returns a with what only b has, and whether they are exact duplicates at all. a is the older one.
func unite(a, b *record.Memory) (record.Memory, bool) {
	same := a.Type == b.Type && a.Content == b.Content && a.Content != "" && a.Redirect == "" && b.Redirect == "" &&
		bytes.Equal(a.Metadata, b.Metadata) &&
		(len(a.Vector) == 0 || len(b.Vector) == 0 || slices.Equal(a.Vector, b.Vector))
	u := *a
	u.Tags = slices.Clone(a.Tags)
	for _, tag := range b.Tags {
		if !slices.Contains(u.Tags, tag) {
			u.Tags = append(u.Tags, tag)
		}
	}
	if len(u.Vector) == 0 {
		u.Vector = b.Vector
	}
	u.Confidence = max(a.Confidence, b.Confidence)
	if !within(a.ExpiresAt, b.ExpiresAt) {
		u.ExpiresAt = b.ExpiresAt
	}
	if !Covers(a, &u) && b.UpdatedAt.After(a.UpdatedAt) {
		u.UpdatedAt = b.UpdatedAt
	}
	return u, same && len(u.Tags) <= record.MaxTags
}
