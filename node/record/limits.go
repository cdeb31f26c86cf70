package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The limits of one memory.
const (
	MaxContentBytes  = 100 << 10
	MaxIDBytes       = 128
	MaxTags          = 64
	MaxTagBytes      = 128
	MaxMetadataBytes = 32 << 10
	MaxDimension     = 8192
	MaxOrd           = Ord(math.MaxUint32 - 1)
	maxSpaceName     = 63
)

// ErrInvalid is wrapped by every error about what a caller handed in.
var ErrInvalid = errors.New("invalid")

// An InvalidError says which field is wrong and why.
type InvalidError struct{ Field, Reason string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Reason }

// Unwrap makes errors.Is(err, ErrInvalid) true.
func (e *InvalidError) Unwrap() error { return ErrInvalid }

func invalid(field, format string, args ...any) error {
	return &InvalidError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// reserved are the words that stand beside ids in the API's paths.
var reserved = map[string]bool{
	".": true, "..": true, "remember": true, "recall": true, "batch": true, "bulk": true,
	"import": true, "export": true, "delete": true,
}

// CheckID tells whether id may name a memory: 1 to 128 bytes of printable UTF-8 that survive in a URL
// path, and none of the API's own words.
func CheckID(id string) error {
	switch {
	case id == "":
		return invalid("id", "is empty")
	case len(id) > MaxIDBytes:
		return invalid("id", "has %d bytes; at most %d", len(id), MaxIDBytes)
	case reserved[id]:
		return invalid("id", "%q is a word of the API", id)
	case isPlain(id):
		return nil
	case !utf8.ValidString(id):
		return invalid("id", "is not UTF-8")
	}
	for _, r := range id {
		if !unicode.IsGraphic(r) || unicode.IsSpace(r) || strings.ContainsRune(`/?#%\`, r) {
			return invalid("id", "contains %q", r)
		}
	}
	return nil
}

// isPlain tells whether id has only letters, digits, - and _, as most have.
func isPlain(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c >= 'A' && c <= 'Z', c == '_':
		default:
			return false
		}
	}
	return true
}

// CheckSpaceName tells whether name may name a space: a to z, 0 to 9, _ and -, beginning with a letter
// or a digit, at most 63.
func CheckSpaceName(name string) error {
	if name == "" || len(name) > maxSpaceName {
		return invalid("space", "has %d letters; 1 to %d", len(name), maxSpaceName)
	}
	for i, r := range name {
		alnum := r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
		if !alnum && (i == 0 || r != '_' && r != '-') {
			return invalid("space", "contains %q; letters a to z, digits, _ and - are allowed", r)
		}
	}
	return nil
}

// Check tells whether m may be stored, in a space whose vectors have dim numbers (0: not fixed yet). It
// makes the metadata compact.
func (m *Memory) Check(dim int) error {
	if err := CheckID(m.ID); err != nil {
		return err
	}
	if len(m.Content) > MaxContentBytes {
		return invalid("content", "has %d bytes; at most %d", len(m.Content), MaxContentBytes)
	}
	if !utf8.ValidString(m.Content) {
		return invalid("content", "is not UTF-8")
	}
	if m.Type > Semantic {
		return invalid("type", "%d is unknown", m.Type)
	}
	if c := float64(m.Confidence); math.IsNaN(c) || c < 0 || c > 1 {
		return invalid("confidence", "%v is outside [0, 1]", c)
	}
	if a := float64(m.Access.Activation); math.IsNaN(a) || a < 0 || a > 1 {
		return invalid("activation", "%v is outside [0, 1]", a)
	}
	if err := m.checkTimes(); err != nil {
		return err
	}
	if m.Redirect != "" {
		if err := CheckID(m.Redirect); err != nil {
			return err
		}
	}
	if err := checkTags(m.Tags); err != nil {
		return err
	}
	if err := CheckVector(m.Vector, dim); err != nil {
		return err
	}
	return m.checkMetadata()
}

// The times that can be written as RFC 3339: years 0 to 9999 of UTC. What could not be told to anybody is not remembered.
var (
	firstTime = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	afterLast = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
)

func (m *Memory) checkTimes() error {
	for _, t := range [...]struct {
		field string
		at    time.Time
	}{{"created_at", m.CreatedAt}, {"updated_at", m.UpdatedAt}, {"expires_at", m.ExpiresAt}, {"last_at", m.Access.LastAt}} {
		if t.at.Before(firstTime) || !t.at.Before(afterLast) {
			return invalid(t.field, "is outside the years 0 to 9999 of UTC")
		}
	}
	return nil
}

func checkTags(tags []string) error {
	if len(tags) > MaxTags {
		return invalid("tags", "are %d; at most %d", len(tags), MaxTags)
	}
	for i, t := range tags {
		if t == "" || len(t) > MaxTagBytes || !utf8.ValidString(t) {
			return invalid("tags", "number %d is empty, longer than %d bytes, or not UTF-8", i+1, MaxTagBytes)
		}
	}
	return nil
}

// CheckVector tells whether v may be stored or searched for in a space of dim dimensions (0: not fixed
// yet). An empty v is no vector and is fine.
func CheckVector(v []float32, dim int) error {
	if len(v) == 0 {
		return nil
	}
	if dim > 0 && len(v) != dim {
		return invalid("vector", "has %d numbers; this space has %d", len(v), dim)
	}
	if len(v) > MaxDimension {
		return invalid("vector", "has %d numbers; at most %d", len(v), MaxDimension)
	}
	for i, x := range v {
		if x != x || x > math.MaxFloat32 || x < -math.MaxFloat32 {
			return invalid("vector", "number %d is not finite", i+1)
		}
	}
	return nil
}

func (m *Memory) checkMetadata() error {
	if len(m.Metadata) == 0 {
		return nil
	}
	if len(m.Metadata) > MaxMetadataBytes {
		return invalid("metadata", "has %d bytes; at most %d", len(m.Metadata), MaxMetadataBytes)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, m.Metadata); err != nil || b.Len() == 0 || b.Bytes()[0] != '{' {
		return invalid("metadata", "is not a JSON object")
	}
	m.Metadata = b.Bytes()
	return nil
}
