package api

import (
	"encoding/json"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/tier"
)

// A NewMemory is a memory to remember. Only content is needed, or a vector.
type NewMemory struct {
	Space      string          `json:"space,omitempty" desc:"the space, if it is not in the URL; default"`
	ID         string          `json:"id,omitempty" desc:"1 to 128 bytes; a UUIDv7 is made if it is absent"`
	Type       string          `json:"type,omitempty" enum:"episodic,semantic" desc:"episodic if absent"`
	Content    string          `json:"content,omitempty" desc:"at most 100 KiB"`
	Vector     Vector          `json:"vector,omitempty"`
	Tags       []string        `json:"tags,omitempty" desc:"at most 64 of 128 bytes"`
	Metadata   json.RawMessage `json:"metadata,omitempty" desc:"an object of at most 32 KiB"`
	Confidence *float32        `json:"confidence,omitempty" desc:"0 to 1; 1 if absent"`
	CreatedAt  time.Time       `json:"created_at,omitzero" desc:"now if absent"`
	UpdatedAt  time.Time       `json:"updated_at,omitzero" desc:"created_at if absent"`
	ExpiresAt  time.Time       `json:"expires_at,omitzero" desc:"never if absent"`
	Access     *Access         `json:"access,omitempty" desc:"with activation 1 at created_at if absent"`
}

// An Access is how warm a memory is.
type Access struct {
	Activation float32   `json:"activation" desc:"0 to 1, at last_at; it halves every 24 hours"`
	Count      uint32    `json:"count" desc:"how often it was recalled"`
	LastAt     time.Time `json:"last_at,omitzero"`
}

// A Memory is a memory as it is remembered.
type Memory struct {
	ID         string          `json:"id"`
	Type       string          `json:"type" enum:"episodic,semantic"`
	Content    string          `json:"content"`
	Vector     Vector          `json:"vector,omitempty"`
	Tags       []string        `json:"tags,omitempty"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
	Confidence float32         `json:"confidence"`
	CreatedAt  time.Time       `json:"created_at"`
	UpdatedAt  time.Time       `json:"updated_at"`
	ExpiresAt  time.Time       `json:"expires_at,omitzero"`
	Version    uint64          `json:"version" desc:"grows with every change; accesses do not change it"`
	Activation float64         `json:"activation" desc:"at this moment"`
	Access     Access          `json:"access" desc:"the last one"`
}

// A Remembered is what became of a memory that was to be remembered.
type Remembered struct {
	ID      string `json:"id"`
	Version uint64 `json:"version"`
	Created bool   `json:"created" desc:"false: it was there already, with the same content"`
}

// record makes m what the node takes. It shares memory with m.
func (m *NewMemory) record() (node.Memory, error) {
	kind, err := record.ParseType(m.Type)
	if err != nil {
		return node.Memory{}, err
	}
	r := node.Memory{
		ID: m.ID, Type: kind, Content: m.Content, Vector: m.Vector, Tags: m.Tags, Metadata: m.Metadata, Confidence: 1,
		CreatedAt: instant(m.CreatedAt), UpdatedAt: instant(m.UpdatedAt), ExpiresAt: instant(m.ExpiresAt),
	}
	if m.Confidence != nil {
		r.Confidence = *m.Confidence
	}
	if string(r.Metadata) == "null" {
		r.Metadata = nil
	}
	if err := checkDepth("metadata", r.Metadata); err != nil {
		return node.Memory{}, err
	}
	if m.Access != nil {
		r.Access = record.Access{Activation: m.Access.Activation, Count: m.Access.Count, LastAt: instant(m.Access.LastAt)}
	}
	return r, nil
}

// instant gives a time the precision in which it is kept: what was remembered must be equal to what is remembered again.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// shown makes a memory what people see at now.
func shown(m *node.Memory, now time.Time) Memory {
	return Memory{
		ID: m.ID, Type: m.Type.String(), Content: m.Content, Vector: m.Vector, Tags: m.Tags, Metadata: m.Metadata, Confidence: m.Confidence,
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt, ExpiresAt: m.ExpiresAt, Version: m.Version,
		Activation: tier.Activation(m.Access, now), Access: accessOf(m.Access),
	}
}

func accessOf(a record.Access) Access {
	return Access{Activation: a.Activation, Count: a.Count, LastAt: a.LastAt}
}
