package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
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

// mergeMetadata applies a merge patch (RFC 7396) to an object. Members keep their order; new ones come last.
func mergeMetadata(old, patch json.RawMessage) (json.RawMessage, error) {
	if string(patch) == null {
		return nil, nil
	}
	if patch[0] != '{' {
		return nil, invalid("metadata", "is not an object")
	}
	return mergeObject(old, patch)
}

// A pair is one member of an object.
type pair struct {
	name  string
	value jsontext.Value
}

func mergeObject(old, patch []byte) ([]byte, error) {
	var have []pair
	var err error
	if len(old) > 0 && old[0] == '{' {
		if have, err = pairs(old); err != nil {
			return nil, err
		}
	}
	want, err := pairs(patch)
	if err != nil {
		return nil, err
	}
	for _, p := range want {
		i := slices.IndexFunc(have, func(h pair) bool { return h.name == p.name })
		value := p.value
		if value.Kind() == '{' {
			var before jsontext.Value
			if i >= 0 {
				before = have[i].value
			}
			if value, err = mergeObject(before, value); err != nil {
				return nil, err
			}
		}
		switch {
		case value.Kind() == 'n' && i >= 0:
			have = slices.Delete(have, i, i+1)
		case value.Kind() == 'n':
		case i >= 0:
			have[i].value = value
		default:
			have = append(have, pair{p.name, value})
		}
	}
	return object(have), nil
}

// pairs reads the members of an object in their order.
func pairs(b []byte) ([]pair, error) {
	var out []pair
	err := jsonv2.Unmarshal(b, &out, jsonv2.WithUnmarshalers(jsonv2.UnmarshalFromFunc(func(d *jsontext.Decoder, to *[]pair) error {
		if _, err := d.ReadToken(); err != nil {
			return err
		}
		for d.PeekKind() != '}' {
			name, err := d.ReadToken()
			if err != nil {
				return err
			}
			text := name.String() // before the next read
			value, err := d.ReadValue()
			if err != nil {
				return err
			}
			*to = append(*to, pair{text, value.Clone()})
		}
		_, err := d.ReadToken()
		return err
	})), jsontext.AllowDuplicateNames(true))
	if err != nil {
		return nil, invalid("metadata", "%v", err)
	}
	return out, nil
}

func object(all []pair) []byte {
	b := []byte{'{'}
	for i, p := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b, _ = jsontext.AppendQuote(b, p.name) // what was read as a name is UTF-8
		b = append(append(b, ':'), p.value...)
	}
	return append(b, '}')
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
