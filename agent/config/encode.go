package config

import (
	"encoding"
	"reflect"
	"strconv"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/engramd/engramd/policy"
)

// A writer writes itself in the form in which it is read.
type writer interface{ toYAML() any }

// encode turns a value into what the YAML library writes in the form that decode reads.
func encode(v reflect.Value) any {
	if w, ok := v.Interface().(writer); ok && !(v.Kind() == reflect.Pointer && v.IsNil()) {
		return w.toYAML()
	}
	switch m := v.Interface().(type) {
	case encoding.TextMarshaler:
		if text, err := m.MarshalText(); err == nil {
			return string(text)
		}
	case yaml.BytesMarshaler, yaml.InterfaceMarshaler:
		return m
	}
	if v.Type() == durationType {
		return formatDuration(time.Duration(v.Int()))
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return encode(v.Elem())
	case reflect.Struct:
		return encodeStruct(v)
	case reflect.Slice:
		items := make([]any, v.Len())
		for i := range items {
			items[i] = encode(v.Index(i))
		}
		return items
	case reflect.Map:
		items := map[string]any{}
		for key, value := range v.Seq2() {
			items[key.String()] = encode(value)
		}
		return items
	case reflect.String:
		return v.String()
	}
	return v.Interface()
}

func encodeStruct(v reflect.Value) yaml.MapSlice {
	var items yaml.MapSlice
	for _, f := range fieldsOf(v.Type()) {
		value := v.FieldByIndex(f.index)
		if f.omitEmpty && (value.IsZero() || isEmpty(value)) {
			continue
		}
		items = append(items, yaml.MapItem{Key: f.name, Value: encode(value)})
	}
	return items
}

func isEmpty(v reflect.Value) bool {
	return (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0
}

func formatDuration(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d%time.Second != 0:
		return d.String()
	}
	return policy.FormatDuration(d)
}

func formatPercent(f float64) string { return strconv.FormatFloat(100*f, 'g', 12, 64) + "%" }

func (p percent) toYAML() any { return formatPercent(float64(p)) }

func (b Bytes) toYAML() any {
	for _, unit := range []struct {
		suffix string
		of     Bytes
	}{{"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10}} {
		if b >= unit.of && b%unit.of == 0 {
			return strconv.FormatInt(int64(b/unit.of), 10) + unit.suffix
		}
	}
	return int64(b)
}

func (l oneOrMore) toYAML() any {
	if len(l) == 1 {
		return l[0]
	}
	return []string(l)
}
