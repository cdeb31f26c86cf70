package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
)

// A Patch says what of a memory changes. What is absent stays, null removes.
type Patch struct {
	Type       json.RawMessage `json:"type,omitempty" like:"string"`
	Content    json.RawMessage `json:"content,omitempty" like:"string"`
	Vector     json.RawMessage `json:"vector,omitempty" like:"vector"`
	Tags       json.RawMessage `json:"tags,omitempty" like:"strings"`
	Metadata   json.RawMessage `json:"metadata,omitempty" like:"object" desc:"merged into what there is"`
	Confidence json.RawMessage `json:"confidence,omitempty" like:"number"`
	ExpiresAt  json.RawMessage `json:"expires_at,omitempty" like:"time"`
}

const null = "null"

// node makes p what the node takes, all but the metadata.
func (p *Patch) node() (out node.Patch, err error) {
	if text, ok, e := member[string]("type", p.Type, false); ok {
		kind, parse := record.ParseType(text)
		out.Type, err = &kind, errors.Join(err, parse)
	} else {
		err = errors.Join(err, e)
	}
	err = errors.Join(err, take(&out.Content, "content", p.Content, false), take(&out.Tags, "tags", p.Tags, true),
		take(&out.Confidence, "confidence", p.Confidence, false))
	if v, ok, e := member[Vector]("vector", p.Vector, true); ok {
		out.Vector = (*[]float32)(&v)
	} else {
		err = errors.Join(err, e)
	}
	if t, ok, e := member[time.Time]("expires_at", p.ExpiresAt, true); ok {
		t = instant(t)
		out.ExpiresAt = &t
	} else {
		err = errors.Join(err, e)
	}
	return out, err
}

// take sets dst if the field is there.
func take[T any](dst **T, field string, raw json.RawMessage, removable bool) error {
	v, ok, err := member[T](field, raw, removable)
	if ok {
		*dst = &v
	}
	return err
}

// member reads one field of a patch; null is the zero value where it may be removed.
func member[T any](field string, raw json.RawMessage, removable bool) (v T, ok bool, err error) {
	switch {
	case len(raw) == 0:
		return v, false, nil
	case string(raw) != null:
		if err := decode(raw, &v); err != nil {
			if p, known := errors.AsType[*Problem](err); known && len(p.Fields) == 1 && p.Fields[0].Field != "body" {
				return v, false, err
			}
			return v, false, invalid(field, "is not what it should be")
		}
	case !removable:
		return v, false, invalid(field, "cannot be removed")
	}
	return v, true, nil
}

func (x *exchange) patch() error {
	space, err := x.space("")
	if err != nil {
		return err
	}
	version, err := x.ifMatch()
	if err != nil {
		return err
	}
	_, write, err := x.vectors("array")
	if err != nil {
		return err
	}
	var in Patch
	if err := x.readJSONAs(maxMemoryBody, &in, mediaMergePatch, mediaJSON); err != nil {
		return err
	}
	change, err := in.node()
	if err != nil {
		return first(err)
	}
	m, err := x.change(space, version, change, in.Metadata)
	if err != nil {
		return err
	}
	if x.q.get("vectors") == "none" {
		m.Vector = nil
	}
	x.w.Header()["Etag"] = []string{etag(m.Version)}
	return x.answer(http.StatusOK, shown(&m, x.api.now()), write)
}

// change merges metadata into what there is, and does the rest.
func (x *exchange) change(space string, version uint64, change node.Patch, metadata json.RawMessage) (node.Memory, error) {
	id := x.r.PathValue("id")
	if len(metadata) == 0 {
		return x.api.node.Patch(x.ctx(), space, id, version, change)
	}
	if err := checkDepth("metadata", metadata); err != nil {
		return node.Memory{}, err
	}
	for {
		old, err := x.api.node.Get(x.ctx(), space, id, node.WithoutVector)
		if err != nil {
			return old, err
		}
		merged, err := mergeMetadata(old.Metadata, metadata)
		if err != nil {
			return old, err
		}
		change.Metadata = &merged
		expect := version
		if expect == 0 {
			expect = old.Version
		}
		m, err := x.api.node.Patch(x.ctx(), space, id, expect, change)
		if version == 0 && errors.Is(err, node.ErrVersion) && x.ctx().Err() == nil {
			continue // somebody was faster: merge with that
		}
		return m, err
	}
}

// first returns the first of several errors: a problem names one.
func first(err error) error {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		return first(all.Unwrap()[0])
	}
	return err
}

func (x *exchange) delete() error {
	space, err := x.space("")
	if err != nil {
		return err
	}
	version, err := x.ifMatch()
	if err != nil {
		return err
	}
	if err := x.api.node.Delete(x.ctx(), space, x.r.PathValue("id"), version); err != nil {
		return err
	}
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}
