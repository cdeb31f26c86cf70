package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/rules"
)

// A decoder fills Go values from YAML by their yaml tags, strictly, and goes on after a fault. It
// remembers where each value stands, by its path ("targets[0].limits.cpu.min"), so that what is found
// wrong later can be shown in its place.
type decoder struct {
	*source
	registry     actuators.Registry
	values, keys map[string]*token.Token
	anchors      map[string]ast.Node
	visits       int
	depth        int
}

// A custom value decodes itself.
type custom interface {
	fromYAML(d *decoder, n ast.Node, path string)
}

// A defaulter fills in its defaults before it is decoded into.
type defaulter interface{ setDefaults() }

// decode fills v from n. What is null leaves v as it is.
func (d *decoder) decode(n ast.Node, v reflect.Value, path string) {
	n, ok := d.enter(n, path)
	if !ok {
		return
	}
	defer func() { d.depth-- }()
	if c, ok := v.Addr().Interface().(custom); ok {
		c.fromYAML(d, n, path)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		prepare(p)
		d.decode(n, p.Elem(), path)
		v.Set(p)
	case reflect.Struct:
		if !d.foreign(n, v, path) {
			d.structure(n, v, path)
		}
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	default:
		if !d.foreign(n, v, path) {
			d.scalar(n, v, path)
		}
	}
}

// prepare fills in the defaults of what p points to.
func prepare(p reflect.Value) {
	if def, ok := p.Interface().(defaulter); ok {
		def.setDefaults()
	}
}

// enter unwraps n, notes where it stands, and reports whether there is something to decode.
func (d *decoder) enter(n ast.Node, path string) (ast.Node, bool) {
	if n == nil {
		return nil, false
	}
	if d.visits++; d.visits > maxVisits {
		if d.visits == maxVisits+1 {
			d.fault(d.place(n), fmt.Sprintf("more than %d values", maxVisits), "use fewer aliases")
		}
		return nil, false
	}
	if d.depth++; d.depth > maxDepth {
		d.depth--
		d.fault(d.place(n), "an alias that contains itself", "")
		return nil, false
	}
	if path != "" {
		if _, known := d.values[path]; !known {
			d.values[path] = start(n)
		}
	}
	switch w := n.(type) {
	case *ast.AnchorNode:
		defer func() { d.depth-- }()
		return d.enter(w.Value, path)
	case *ast.AliasNode:
		defer func() { d.depth-- }()
		name := w.Value.GetToken().Value
		target, ok := d.anchors[name]
		if !ok {
			d.fault(d.place(n), fmt.Sprintf("there is no anchor &%s", name), "")
			return nil, false
		}
		return d.enter(target, path)
	case *ast.TagNode:
		d.depth--
		d.fault(d.place(n), fmt.Sprintf("the tag %s is not read", w.GetToken().Value), "leave it out")
		return nil, false
	case *ast.NullNode:
		d.depth--
		return nil, false
	}
	return n, true
}

// foreign decodes the types of other packages that decode themselves.
func (d *decoder) foreign(n ast.Node, v reflect.Value, path string) bool {
	switch u := v.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		text, ok := d.text(n, path)
		if !ok {
			return true
		}
		if err := u.UnmarshalText([]byte(text)); err != nil {
			d.faultAt(path, lead(path, err.Error()), "")
		}
		return true
	case yaml.BytesUnmarshaler, yaml.InterfaceUnmarshaler, yaml.NodeUnmarshaler:
		if err := yaml.NodeToValue(n, u, yaml.Strict()); err != nil {
			text, _, _ := strings.Cut(yaml.FormatError(err, false, false), "\n")
			d.faultAt(path, lead(path, text), "")
		}
		return true
	}
	return false
}

// entries lists the entries of a mapping in order, and complains of what is none or is there twice.
func (d *decoder) entries(n ast.Node, path, want string) []*ast.MappingValueNode {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.fault(d.place(n), strings.TrimPrefix(path+": want "+want+", not "+kindOf(n), ": "), "")
		return nil
	}
	var entries []*ast.MappingValueNode
	first := map[string]Position{}
	for _, e := range m.Values {
		key := keyText(e)
		at := d.place(e.Key)
		switch before, twice := first[key]; {
		case e.Key.IsMergeKey():
			d.fault(at, "merge keys (<<) are not read", "write the keys out")
		case twice:
			d.fault(at, fmt.Sprintf("%s is there twice", key), fmt.Sprintf("the other one is on line %d", before.Line))
		default:
			first[key] = at
			entries = append(entries, e)
		}
	}
	return entries
}

func keyText(e *ast.MappingValueNode) string { return e.Key.GetToken().Value }

// child notes where a key stands and returns the path of its value.
func (d *decoder) child(path string, e *ast.MappingValueNode) string {
	p := join(path, keyText(e))
	if _, known := d.keys[p]; !known {
		d.keys[p] = e.Key.GetToken()
	}
	return p
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// structure fills a struct.
func (d *decoder) structure(n ast.Node, v reflect.Value, path string) {
	fields := fieldsOf(v.Type())
	for _, e := range d.entries(n, path, "a mapping of "+strings.Join(names(fields), ", ")) {
		key := keyText(e)
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == key })
		if i < 0 {
			d.unknownKey(e, names(fields))
			continue
		}
		d.decodeField(e.Value, v.FieldByIndex(fields[i].index), fields[i], d.child(path, e))
	}
}

func (d *decoder) decodeField(n ast.Node, v reflect.Value, f field, path string) {
	d.decode(n, v, path)
	if len(f.oneOf) > 0 && v.Kind() == reflect.String && v.String() != "" && !slices.Contains(f.oneOf, v.String()) {
		d.faultAt(path, fmt.Sprintf("%s: %q is not known", path, v.String()), oneOf(v.String(), f.oneOf))
	}
}

// unknownKey complains of a key that nothing reads.
func (d *decoder) unknownKey(e *ast.MappingValueNode, known []string) {
	d.fault(d.place(e.Key), fmt.Sprintf("unknown key %q", keyText(e)), oneOf(keyText(e), known))
}

// oneOf says which of the names was probably meant, or lists them.
func oneOf(got string, known []string) string {
	if near := rules.Nearest(got, known); near != "" && near != got {
		return "did you mean " + near + "?"
	}
	switch len(known) {
	case 0:
		return ""
	case 1:
		return "there is only " + known[0]
	}
	return "one of " + strings.Join(known, ", ")
}

func (d *decoder) list(n ast.Node, v reflect.Value, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fault(d.place(n), fmt.Sprintf("%s: want a list, not %s", path, kindOf(n)), "write it as [one, two], or each on a line after a dash")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, len(seq.Values)))
	for i, item := range seq.Values {
		p := reflect.New(v.Type().Elem())
		prepare(p)
		d.decode(item, p.Elem(), fmt.Sprintf("%s[%d]", path, i))
		v.Set(reflect.Append(v, p.Elem()))
	}
}

func (d *decoder) mapping(n ast.Node, v reflect.Value, path string) {
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range d.entries(n, path, "a mapping") {
		p := reflect.New(v.Type().Elem())
		prepare(p)
		d.decode(e.Value, p.Elem(), d.child(path, e))
		v.SetMapIndex(reflect.ValueOf(keyText(e)).Convert(v.Type().Key()), p.Elem())
	}
}

// A field is one key of a struct.
type field struct {
	name      string
	index     []int
	omitEmpty bool
	oneOf     []string
}

// fieldsOf lists the keys of a struct by their tags, those of inlined structs included.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		inline := f.Type.Kind() == reflect.Struct && (strings.Contains(options, "inline") || f.Anonymous && name == "")
		if !f.IsExported() && !(f.Anonymous && inline) || name == "-" {
			continue
		}
		if inline {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				fields = append(fields, inner)
			}
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		fields = append(fields, field{name, []int{i}, strings.Contains(options, "omitempty"), strings.Fields(f.Tag.Get("oneof"))})
	}
	return fields
}

func names(fields []field) []string {
	var all []string
	for _, f := range fields {
		all = append(all, f.name)
	}
	return all
}

var durationType = reflect.TypeFor[time.Duration]()
