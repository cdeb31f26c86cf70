package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/engramd/engramd/policy"
)

// A changesSection says what changes of which resources, in the order in which it is written:
//
//	cpu, memory, replicas, storage: {by: x2 | 50% | 2 | 1Gi, to: max | N, cap: N}
//	cpus: numa-aligned | all | node1 | 0-3,8, or {to: ...}
//	threads: {spreading: {by: ...}, consolidation: {by: ...}}
//	tiers: {hot_threshold: {by: ...}, warm_threshold: ..., hot_tier_size: ..., evict: now}
//	storage: {compact: true, prune: true, archive: true, retain: 12h}
type changesSection []oneChange

type oneChange struct {
	Resource policy.Resource
	Amount   amountSection
	path     string
}

// An amountSection says how much one resource changes.
type amountSection struct {
	// By is relative: a factor (x2), a part (50%, -20%) or an amount (2, 1Gi).
	By string `yaml:"by,omitempty"`
	// To is absolute: max, or an amount; of cpus, numa-aligned, all, a node (node1) or a set (0-3,8).
	To string `yaml:"to,omitempty"`
	// Cap ends growth; it never shrinks.
	Cap string `yaml:"cap,omitempty"`
}

// operations are what a group of resources can do without a size.
var operations = map[string][]string{"tiers": {"evict"}, "storage": {"compact", "prune", "archive"}}

// resourceNames are the keys of a change.
func resourceNames() []string {
	var all []string
	for _, s := range sized {
		all = append(all, s.name)
	}
	return append(all, string(policy.CPUs))
}

func (c *changesSection) fromYAML(d *decoder, n ast.Node, path string) {
	for _, e := range d.entries(n, path, "a mapping of resources") {
		name, at := keyText(e), d.child(path, e)
		switch {
		case !slices.Contains(resourceNames(), name):
			d.unknownKey(e, resourceNames())
		case name == "storage" || partsOf(name) != nil:
			c.group(d, e.Value, name, at)
		default:
			c.sized(d, e.Value, policy.Resource(name), at)
		}
	}
}

// group reads the parts and operations of a resource that has some.
func (c *changesSection) group(d *decoder, n ast.Node, name, path string) {
	parts, can := partsOf(name), operations[name]
	if name == "storage" {
		parts = []string{"retain"}
	}
	known := slices.Concat(parts, can)
	whole := false
	for _, e := range d.entries(n, path, "a mapping of "+strings.Join(known, ", ")) {
		key := keyText(e)
		at := d.child(path, e)
		resource := policy.Resource(name + "." + key)
		switch {
		case slices.Contains(parts, key):
			c.sized(d, e.Value, resource, at)
		case slices.Contains(can, key):
			c.operation(d, e.Value, resource, at)
		case name == "storage" && slices.Contains([]string{"by", "to", "cap"}, key):
			whole = true
		default:
			if name == "storage" {
				known = append([]string{"by", "to", "cap"}, known...)
			}
			d.unknownKey(e, known)
		}
	}
	if whole {
		c.volume(d, n, path)
	}
}

// volume reads by, to and cap of storage, which stand beside its operations.
func (c *changesSection) volume(d *decoder, n ast.Node, path string) {
	one := oneChange{Resource: policy.Storage, path: path}
	for _, e := range d.entries(n, path, "a mapping") {
		at := d.child(path, e)
		switch keyText(e) {
		case "by":
			one.Amount.By, _ = d.text(e.Value, at)
		case "to":
			one.Amount.To, _ = d.text(e.Value, at)
		case "cap":
			one.Amount.Cap, _ = d.text(e.Value, at)
		}
	}
	*c = append(*c, one)
}

// sized reads how much a resource changes; a single value is where to.
func (c *changesSection) sized(d *decoder, n ast.Node, resource policy.Resource, path string) {
	one := oneChange{Resource: resource, path: path}
	if inner, ok := d.enter(n, path); ok {
		d.depth--
		if _, isMap := inner.(*ast.MappingNode); isMap || resource != policy.CPUs && !strings.Contains(string(resource), ".") {
			d.decode(n, reflect.ValueOf(&one.Amount).Elem(), path)
		} else {
			one.Amount.To, _ = d.text(n, path)
		}
	}
	*c = append(*c, one)
}

func (c *changesSection) operation(d *decoder, n ast.Node, resource policy.Resource, path string) {
	text, ok := d.text(n, path)
	switch {
	case !ok:
	case text == "now" || text == "true":
		*c = append(*c, oneChange{Resource: resource, path: path})
	case text != "false":
		d.faultAt(path, lead(path, fmt.Sprintf("%.40q: it has no size", text)), "want now, or true")
	}
}

func (c changesSection) toYAML() any {
	var items yaml.MapSlice
	group := func(name string) *yaml.MapSlice {
		for i := range items {
			if items[i].Key == name {
				return items[i].Value.(*yaml.MapSlice)
			}
		}
		inner := &yaml.MapSlice{}
		items = append(items, yaml.MapItem{Key: name, Value: inner})
		return inner
	}
	for _, one := range c {
		name, part, has := strings.Cut(string(one.Resource), ".")
		amount := encodeStruct(reflect.ValueOf(one.Amount))
		switch {
		case one.Resource.IsOperation():
			*group(name) = append(*group(name), yaml.MapItem{Key: part, Value: true})
		case has:
			*group(name) = append(*group(name), yaml.MapItem{Key: part, Value: amount})
		case one.Resource == policy.Storage:
			*group(name) = append(*group(name), amount...)
		default:
			items = append(items, yaml.MapItem{Key: name, Value: amount})
		}
	}
	for i := range items {
		if inner, ok := items[i].Value.(*yaml.MapSlice); ok {
			items[i].Value = *inner
		}
	}
	return items
}

// changes resolves a change.
func (d *decoder) changes(section changesSection) []policy.Change {
	var all []policy.Change
	for _, one := range section {
		a := one.Amount
		c, err := policy.ParseChange(one.Resource, a.By, a.To, a.Cap)
		if one.Resource.IsOperation() {
			c, err = policy.Change{Resource: one.Resource}, nil
		}
		if err != nil {
			text := strings.TrimPrefix(err.Error(), string(one.Resource)+": ")
			text = strings.Replace(text, ": "+string(one.Resource)+": ", ": ", 1)
			at := one.path
			for _, key := range []string{"by", "to", "cap"} {
				if strings.HasPrefix(text, key+": ") && d.written(at+"."+key) {
					at += "." + key
				}
			}
			d.faultAt(at, lead(one.path, text), "")
			continue
		}
		all = append(all, c)
	}
	return all
}
