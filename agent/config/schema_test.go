package config_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/engramd/engramd/agent/config"
)

type schema = map[string]any

const durationPattern = `^[0-9.]+(ns|us|µs|ms|s|m|h|d|w)([0-9.]+(ns|us|µs|ms|s|m|h|d|w))*$`

var (
	scalarSchema = schema{"type": []any{"string", "number", "boolean"}}
	amountSchema = schema{"type": []any{"string", "number"}}
)

// schemaOf is the schema of a value.
func schemaOf(docs map[string]string, t reflect.Type, oneOf []string) schema {
	if len(oneOf) > 0 {
		return schema{"enum": slices.Collect(func(yield func(any) bool) {
			for _, s := range oneOf {
				if !yield(s) {
					return
				}
			}
		})}
	}
	switch t.Name() {
	case "Duration":
		return schema{"type": "string", "pattern": durationPattern}
	case "percent":
		return schema{"type": "string", "pattern": `^[0-9.]+ *%$`}
	case "Bytes", "cpuReserve", "memoryReserve":
		return amountSchema
	case "oneOrMore":
		return schema{"oneOf": []any{schema{"type": "string"}, schema{"type": "array", "items": schema{"type": "string"}}}}
	case "requestSection":
		return ref("request")
	case "smokeSection":
		return schema{"oneOf": []any{ref("request"), object(schema{"command": schema{"type": "array", "items": scalarSchema}})}}
	case "metricsSource":
		return schema{"oneOf": []any{schema{"const": "embedded"}, object(schema{"prometheus": sectionSchema(docs, extraSection("metrics.source.prometheus"))})}}
	case "limitsSection":
		return ref("limits")
	case "changesSection":
		return ref("change")
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(docs, t.Elem(), nil)
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Float64:
		return schema{"type": "number"}
	case reflect.Slice:
		return schema{"type": "array", "items": schemaOf(docs, t.Elem(), nil)}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": schemaOf(docs, t.Elem(), nil)}
	case reflect.Struct:
		return sectionSchema(docs, config.Prepared(t))
	}
	return scalarSchema
}

// definitions are the schemas that are used in several places.
func definitions(docs map[string]string) schema {
	bounds, amount := sectionSchema(docs, extraSection("limits of a resource")), sectionSchema(docs, extraSection("a change of a resource"))
	limits, change := resourceSchema(ref("bounds"), nil), resourceSchema(ref("amount"), amount)
	return schema{
		"request": schema{"oneOf": []any{schema{"type": "string"}, sectionSchema(docs, extraSection("a request"))}},
		"bounds":  bounds, "amount": amount, "limits": limits, "change": change,
	}
}

func ref(name string) schema { return schema{"$ref": "#/$defs/" + name} }

func extraSection(path string) reflect.Value {
	for p, v := range config.ExtraSections() {
		if p == path {
			return v
		}
	}
	panic("no section " + path)
}

func object(properties schema) schema {
	return schema{"type": "object", "properties": properties, "additionalProperties": false}
}

// sectionSchema is the schema of a mapping with known keys.
func sectionSchema(docs map[string]string, v reflect.Value) schema {
	properties := schema{}
	for _, key := range config.KeysOf(v) {
		one := maps.Clone(schemaOf(docs, key.Type, key.OneOf))
		if inner, _ := sectionOf(key.Type); inner != nil && key.Type.Kind() == reflect.Struct {
			one = maps.Clone(sectionSchema(docs, v.FieldByName(key.Field)))
		} else if key.Default != "" {
			var value any
			if err := yaml.Unmarshal([]byte(key.Default), &value); err == nil {
				one["default"] = value
			}
		}
		one["description"] = describe(docs, v.Type(), key)
		properties[key.Name] = nullable(one)
	}
	result := object(properties)
	if v.Type().Name() == "targetSection" {
		// A platform's section belongs to its driver.
		for platform := range built() {
			properties[platform] = ref(platform)
		}
		result["required"] = []any{"name"}
	}
	return result
}

// nullable lets a section be empty: `targets:` with nothing behind it.
func nullable(s schema) schema {
	if t, ok := s["type"].(string); ok && (t == "object" || t == "array") {
		s["type"] = []any{t, "null"}
	}
	return s
}

// resourceSchema is a mapping of resources, each with the keys of one; of a change, amount is what
// they are.
func resourceSchema(one, amount schema) schema {
	properties := schema{"cpu": one, "memory": one, "replicas": one, "storage": one}
	part := one
	if amount != nil {
		part = schema{"oneOf": []any{one, amountSchema}}
	}
	threads := schema{"spreading": part, "consolidation": part}
	tiers := schema{"hot_threshold": part, "warm_threshold": part, "hot_tier_size": part}
	if amount == nil {
		for name := range threads {
			properties["threads."+name] = one
		}
		for name := range tiers {
			properties["tiers."+name] = one
		}
	} else {
		now := schema{"enum": []any{true, false, "now"}}
		tiers["evict"] = now
		storage := maps.Clone(amount["properties"].(schema))
		maps.Copy(storage, schema{"compact": now, "prune": now, "archive": now, "retain": part})
		properties["storage"] = object(storage)
		properties["cpus"] = part
	}
	properties["threads"], properties["tiers"] = object(threads), object(tiers)
	return object(properties)
}

func TestSchema(t *testing.T) {
	docs := comments(t)
	doc := sectionSchema(docs, config.NewDocument())
	doc["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	doc["title"] = "agent.yaml of engramd"
	doc["required"] = []any{"version"}
	defs := definitions(docs)
	maps.Copy(defs, platformSchemas(t))
	doc["$defs"] = defs
	text, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "schema.json", string(text)+"\n")
	if !*update {
		if got := string(config.Schema()); got != string(text)+"\n" {
			t.Error("Schema returns something else")
		}
	}
}

// Everything that Parse reads, the schema allows; and it complains of what is misspelt.
func TestSchemaOfFiles(t *testing.T) {
	var doc schema
	if err := json.Unmarshal(config.Schema(), &doc); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"testdata/agent.example.yaml", "testdata/show.yaml", "testdata/show.default.yaml", "testdata/init.yaml", "../../agent.yaml"} {
		if faults := (validator{doc}).validate(doc, readYAML(t, path), ""); len(faults) > 0 {
			t.Errorf("%s:\n%s", path, strings.Join(faults, "\n"))
		}
	}
	for text, want := range map[string]string{
		"version: 1\ntargts: []\n":                                     ": unknown key targts",
		"version: 1\nmode: manual\n":                                   "mode: not one of [dry-run approve auto]",
		"version: 1\nmetrics: {interval: 15}\n":                        "metrics.interval: a number",
		"version: 1\ntargets: [{name: a, limits: {cpu: {mx: 4}}}]\n":   "targets[0].limits.cpu: unknown key mx",
		"version: 1\npolicies: [{matrix: {rows: [{do: [scale, 1]}]}}]": "policies[0].matrix.rows[0].do: none of the forms",
		"{}\n": ": version is missing",
	} {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if faults := (validator{doc}).validate(doc, v, ""); len(faults) != 1 || faults[0] != want {
			t.Errorf("%q: got %q, want %q", text, faults, want)
		}
	}
}

func readYAML(t *testing.T, path string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(readFile(t, path), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// A validator checks values against the parts of JSON Schema that ours uses.
type validator struct{ root schema }

func (r validator) validate(s schema, v any, path string) []string {
	if to, ok := s["$ref"].(string); ok {
		s = r.root["$defs"].(schema)[strings.TrimPrefix(to, "#/$defs/")].(schema)
	}
	if alternatives, ok := s["oneOf"].([]any); ok {
		matching := 0
		for _, a := range alternatives {
			if len(r.validate(a.(schema), v, path)) == 0 {
				matching++
			}
		}
		if matching != 1 {
			return []string{path + ": none of the forms"}
		}
		return nil
	}
	if values, ok := s["enum"].([]any); ok && !slices.Contains(values, v) {
		return []string{fmt.Sprintf("%s: not one of %v", path, values)}
	}
	if value, ok := s["const"]; ok && value != v {
		return []string{fmt.Sprintf("%s: not %v", path, value)}
	}
	kind := kindOfValue(v)
	if want := s["type"]; want != nil && want != kind && !(want == "number" && kind == "integer") && !allows(want, kind) {
		return []string{fmt.Sprintf("%s: a %s", path, strings.Replace(kind, "integer", "number", 1))}
	}
	if pattern, ok := s["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(v.(string)) {
		return []string{fmt.Sprintf("%s: %q does not match", path, v)}
	}
	return r.inside(s, v, path)
}

func allows(want any, kind string) bool {
	list, _ := want.([]any)
	return slices.Contains(list, any(kind)) || kind == "integer" && slices.Contains(list, any("number"))
}

func (r validator) inside(s schema, v any, path string) []string {
	var faults []string
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			faults = append(faults, r.validate(s["items"].(schema), item, fmt.Sprintf("%s[%d]", path, i))...)
		}
	case map[string]any:
		properties, _ := s["properties"].(schema)
		for key, item := range v {
			inner := strings.TrimPrefix(path+"."+key, ".")
			switch more := s["additionalProperties"].(type) {
			case schema:
				faults = append(faults, r.validate(more, item, inner)...)
			default:
				if one, ok := properties[key].(schema); ok {
					faults = append(faults, r.validate(one, item, inner)...)
				} else if more == false {
					faults = append(faults, path+": unknown key "+key)
				}
			}
		}
		required, _ := s["required"].([]any)
		for _, key := range required {
			if _, ok := v[key.(string)]; !ok {
				faults = append(faults, path+": "+key.(string)+" is missing")
			}
		}
	}
	return faults
}

func kindOfValue(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case float64:
		return "number"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "integer"
}
