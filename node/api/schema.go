package api

import (
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/engramd/engramd/node/tier"
)

// schemas are the schemas of Go types, as they are written in JSON. Of a field the tag desc says what it means, enum which values it
// has, and like what a json.RawMessage is.
type schemas struct {
	named document
}

// special are types that say themselves how they are written.
var special = map[reflect.Type]document{
	reflect.TypeFor[time.Time]():       {"type": "string", "format": "date-time"},
	reflect.TypeFor[Duration]():        {"type": "string", "example": "30s"},
	reflect.TypeFor[tier.Tier]():       {"type": "string", "enum": []string{"hot", "warm", "cold"}},
	reflect.TypeFor[json.RawMessage](): {"type": "object"},
	reflect.TypeFor[Vector](): {
		"description": "numbers, or the base64 of their bytes as float32, little endian",
		"oneOf":       []any{document{"type": "array", "items": document{"type": "number"}}, document{"type": "string", "format": "byte"}},
	},
}

// like are the schemas of what may be null.
var like = map[string]document{
	"string":  {"type": "string"},
	"strings": {"type": "array", "items": document{"type": "string"}, "nullable": true},
	"object":  {"type": "object", "nullable": true},
	"number":  {"type": "number"},
	"limit":   {"type": "integer", "nullable": true},
	"time":    {"type": "string", "format": "date-time", "nullable": true},
	"vector":  {"nullable": true, "oneOf": special[reflect.TypeFor[Vector]()]["oneOf"]},
}

// of returns the schema of t; structs with a name are kept apart.
func (s *schemas) of(t reflect.Type) document {
	if t.Kind() == reflect.Pointer {
		return s.of(t.Elem())
	}
	if d, ok := special[t]; ok {
		return d
	}
	switch t.Kind() {
	case reflect.String:
		return document{"type": "string"}
	case reflect.Bool:
		return document{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return document{"type": "number"}
	case reflect.Slice, reflect.Array:
		return document{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return document{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		return s.ref(t)
	}
	if t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return document{"type": "string"}
	}
	return document{"type": "integer"}
}

func (s *schemas) ref(t reflect.Type) document {
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	if pkg := t.PkgPath(); !strings.HasSuffix(pkg, "/node/api") {
		pkg = pkg[strings.LastIndexByte(pkg, '/')+1:]
		name = strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
	if _, there := s.named[name]; !there {
		s.named[name] = nil // it may be in itself
		s.named[name] = s.object(t)
	}
	ref := document{"$ref": "#/components/schemas/" + name}
	if t == reflect.TypeFor[Seed]() {
		return document{"oneOf": []any{document{"type": "string"}, ref}}
	}
	return ref
}

func (s *schemas) object(t reflect.Type) document {
	properties := document{}
	var required []string
	s.members(t, properties, &required)
	out := document{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		slices.Sort(required)
		out["required"] = required
	}
	return out
}

// members adds the fields of t. Those of embedded structs are its own, unless it has one of the name itself.
func (s *schemas) members(t reflect.Type, properties document, required *[]string) {
	var embedded []reflect.StructField
	for f := range t.Fields() {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case tag == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && tag == "":
			embedded = append(embedded, f)
			continue
		case tag == "":
			tag = f.Name
		}
		if _, there := properties[tag]; there {
			continue
		}
		properties[tag] = s.field(f)
		if options == "" {
			*required = append(*required, tag)
		}
	}
	for _, f := range embedded {
		if f.Type.Kind() == reflect.Pointer { // absent as a whole
			s.members(f.Type.Elem(), properties, new([]string))
			continue
		}
		s.members(f.Type, properties, required)
	}
}

func (s *schemas) field(f reflect.StructField) document {
	schema := s.of(f.Type)
	if kind, ok := f.Tag.Lookup("like"); ok {
		schema = like[kind]
	}
	out := document{}
	maps.Copy(out, schema)
	if enum := f.Tag.Get("enum"); enum != "" {
		out["enum"] = strings.Split(enum, ",")
	}
	desc := f.Tag.Get("desc")
	if _, isRef := out["$ref"]; isRef && desc != "" {
		return document{"allOf": []any{schema}, "description": desc}
	}
	if desc != "" {
		out["description"] = desc
	}
	return out
}
