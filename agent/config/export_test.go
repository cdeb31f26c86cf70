package config

import "reflect"

// A Key is one key of a section.
type Key struct {
	Name, Field string // in YAML and in Go
	Type        reflect.Type
	Default     string // in one line of YAML; "" for none
	Optional    bool
	OneOf       []string
}

// NewDocument returns the document with all defaults.
func NewDocument() reflect.Value { return reflect.ValueOf(newDocument()).Elem() }

// Prepared returns a section with the defaults that it has in a list, or where it is optional.
func Prepared(t reflect.Type) reflect.Value {
	section := reflect.New(t)
	prepare(section)
	return section.Elem()
}

// KeysOf lists the keys of a section, with what holds where the file says nothing.
func KeysOf(section reflect.Value) []Key {
	var keys []Key
	for _, f := range fieldsOf(section.Type()) {
		value := section.FieldByIndex(f.index)
		key := Key{Name: f.name, Field: section.Type().FieldByIndex(f.index).Name, Type: value.Type(), Optional: f.omitEmpty, OneOf: f.oneOf}
		if !(f.omitEmpty && (value.IsZero() || isEmpty(value))) && !value.IsZero() {
			key.Default = flow(value.Interface())
		}
		keys = append(keys, key)
	}
	return keys
}

// ExtraSections are the mappings behind values that decode themselves.
func ExtraSections() func(yield func(string, reflect.Value) bool) {
	return func(yield func(string, reflect.Value) bool) {
		for _, s := range []struct {
			path string
			of   reflect.Value
		}{
			{"metrics.source.prometheus", Prepared(reflect.TypeFor[Prometheus]())},
			{"a request", Prepared(reflect.TypeFor[requestSection]())},
			{"limits of a resource", Prepared(reflect.TypeFor[boundsSection]())},
			{"a change of a resource", Prepared(reflect.TypeFor[amountSection]())},
		} {
			if !yield(s.path, s.of) {
				return
			}
		}
	}
}
