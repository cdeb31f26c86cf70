package api

import (
	"encoding/json"
	"slices"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

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
