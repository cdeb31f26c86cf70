package api

import (
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/tier"
)

// A Filter says which memories are meant; a memory must pass all that is there.
type Filter struct {
	Tags          []string    `json:"tags,omitempty" desc:"all of them"`
	Type          string      `json:"type,omitempty" enum:"episodic,semantic"`
	CreatedAfter  time.Time   `json:"created_after,omitzero" desc:"then or later"`
	CreatedBefore time.Time   `json:"created_before,omitzero"`
	Tiers         []tier.Tier `json:"tiers,omitempty" desc:"in one of them"`
	MinConfidence float32     `json:"min_confidence,omitzero"`
}

func (f *Filter) node() (node.Filter, error) {
	out := node.Filter{
		Tags: f.Tags, CreatedAfter: f.CreatedAfter, CreatedBefore: f.CreatedBefore, Tiers: f.Tiers, MinConfidence: f.MinConfidence,
	}
	if f.Type != "" {
		kind, err := record.ParseType(f.Type)
		if err != nil {
			return out, err
		}
		out.Type = &kind
	}
	return out, out.Validate()
}

// filterParams are a Filter in a URL.
var filterParams = []param{
	{name: "tags", desc: "all of them", of: "", many: true},
	{name: "type", desc: "which kind", of: "", enum: []string{"episodic", "semantic"}},
	{name: "created_after", desc: "then or later", of: time.Time{}},
	{name: "created_before", desc: "earlier than that", of: time.Time{}},
	{name: "tiers", desc: "in one of them", of: "", many: true, enum: []string{"hot", "warm", "cold"}},
	{name: "min_confidence", desc: "0 to 1", of: 0.0},
}

// filter reads a Filter from the URL.
func (q query) filter() (f Filter, err error) {
	f.Tags, f.Type = q.list("tags"), q.get("type")
	if f.CreatedAfter, err = q.time("created_after"); err != nil {
		return f, err
	}
	if f.CreatedBefore, err = q.time("created_before"); err != nil {
		return f, err
	}
	for _, name := range q.list("tiers") {
		t, err := tier.Parse(name)
		if err != nil {
			return f, invalid("tiers", "%.20q is none of hot, warm, cold", name)
		}
		f.Tiers = append(f.Tiers, t)
	}
	least, err := q.float("min_confidence", 0)
	f.MinConfidence = float32(least)
	return f, err
}
