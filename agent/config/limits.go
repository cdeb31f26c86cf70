package config

import (
	"fmt"
	"slices"
	"strings"

	"reflect"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/engramd/engramd/policy"
)

// A limitsSection bounds resources. Threads and tiers are written as in a change, {threads:
// {spreading: {max: 8}}}, or with a dot, {threads.spreading: {max: 8}}.
type limitsSection []resourceLimits

type resourceLimits struct {
	Resource policy.Resource
	Bounds   boundsSection
	path     string
}

// A boundsSection bounds one resource.
type boundsSection struct {
	// Min is the least that any policy may set.
	Min string `yaml:"min,omitempty"`
	// Max is the most that any policy may set.
	Max string `yaml:"max,omitempty"`
	// Steps are the only sizes allowed, ascending.
	Steps []string `yaml:"steps,omitempty"`
	// MaxStepUp bounds one growth, as a part of the size before it.
	MaxStepUp percent `yaml:"max_step_up,omitempty"`
	// MaxStepDown bounds one decrease, as a part of the size before it.
	MaxStepDown percent `yaml:"max_step_down,omitempty"`
	// Reservation is the reserved part of a limit on memory; only for memory.
	Reservation percent `yaml:"reservation,omitempty"`
	// Swap is how the limit on swap follows one on memory; only for memory.
	Swap string `yaml:"swap,omitempty" oneof:"keep-delta keep-ratio none"`
}

// sized are the resources that have a size, as they are written: a group of several has its parts.
var sized = []struct {
	name  string
	parts []string
}{
	{"cpu", nil}, {"memory", nil}, {"storage", nil}, {"replicas", nil},
	{"threads", []string{"spreading", "consolidation"}},
	{"tiers", []string{"hot_threshold", "warm_threshold", "hot_tier_size"}},
}

func sizedNames() []string {
	var all []string
	for _, s := range sized {
		if len(s.parts) == 0 {
			all = append(all, s.name)
		}
		for _, p := range s.parts {
			all = append(all, s.name+"."+p)
		}
	}
	return all
}

func partsOf(name string) []string {
	for _, s := range sized {
		if s.name == name {
			return s.parts
		}
	}
	return nil
}

func (l *limitsSection) fromYAML(d *decoder, n ast.Node, path string) {
	for _, e := range d.entries(n, path, "a mapping of resources") {
		at := d.child(path, e)
		switch parts := partsOf(keyText(e)); {
		case parts != nil:
			for _, inner := range d.entries(e.Value, at, "a mapping of "+strings.Join(parts, ", ")) {
				if !slices.Contains(parts, keyText(inner)) {
					d.unknownKey(inner, parts)
					continue
				}
				l.add(d, inner.Value, keyText(e)+"."+keyText(inner), d.child(at, inner))
			}
		case slices.Contains(sizedNames(), keyText(e)):
			l.add(d, e.Value, keyText(e), at)
		default:
			d.unknownKey(e, sizedNames())
		}
	}
}

func (l *limitsSection) add(d *decoder, n ast.Node, resource, path string) {
	one := resourceLimits{Resource: policy.Resource(resource), path: path}
	d.decode(n, reflect.ValueOf(&one.Bounds).Elem(), path)
	*l = append(*l, one)
}

func (l limitsSection) toYAML() any {
	var items yaml.MapSlice
	for _, one := range l {
		items = append(items, yaml.MapItem{Key: string(one.Resource), Value: encode(reflect.ValueOf(one.Bounds))})
	}
	return items
}

// limitsOf resolves the limits of a target.
func (r *resolver) limitsOf(t *Target, s *targetSection, path string) {
	t.Limits = r.bounds(s.Limits, path)
	for _, one := range s.Limits {
		if one.Resource != policy.Memory {
			if one.Bounds.Reservation != 0 || one.Bounds.Swap != "" {
				r.faultAt(one.path, fmt.Sprintf("%s: reservation and swap are only for memory", one.path), "")
			}
			continue
		}
		if one.Bounds.Reservation > 1 {
			r.faultAt(one.path+".reservation", fmt.Sprintf("%s.reservation: %s is more than the limit", one.path, formatPercent(float64(one.Bounds.Reservation))), "")
		}
		t.Memory = policy.MemoryOptions{Reservation: float64(one.Bounds.Reservation), Swap: policy.Swap(one.Bounds.Swap)}
	}
}

func (r *resolver) bounds(l limitsSection, path string) map[policy.Resource]policy.Bounds {
	all := map[policy.Resource]policy.Bounds{}
	for _, one := range l {
		if _, twice := all[one.Resource]; twice {
			r.faultAt(one.path, fmt.Sprintf("%s: %s is there twice", path, one.Resource), "")
		}
		all[one.Resource] = r.boundsOf(one)
	}
	return all
}

func (r *resolver) boundsOf(one resourceLimits) policy.Bounds {
	b := policy.Bounds{
		Min: r.amount(one.Resource, one.Bounds.Min, one.path+".min"), Max: r.amount(one.Resource, one.Bounds.Max, one.path+".max"),
		MaxStepUp: float64(one.Bounds.MaxStepUp), MaxStepDown: float64(one.Bounds.MaxStepDown),
	}
	least, hasMin := b.Min.Amount()
	most, hasMax := b.Max.Amount()
	if hasMin && hasMax && least > most {
		r.faultAt(one.path+".min", fmt.Sprintf("%s: min %s is above max %s", one.path, one.Bounds.Min, one.Bounds.Max), "")
	}
	if b.MaxStepDown >= 1 {
		r.faultAt(one.path+".max_step_down", fmt.Sprintf("%s.max_step_down: want less than 100%%", one.path), "")
	}
	for i, text := range one.Bounds.Steps {
		at := fmt.Sprintf("%s.steps[%d]", one.path, i)
		n, ok := r.amount(one.Resource, text, at).Amount()
		if !ok {
			continue
		}
		if len(b.Steps) > 0 && n <= b.Steps[len(b.Steps)-1] {
			r.faultAt(at, fmt.Sprintf("%s.steps: %s does not ascend", one.path, text), "")
		}
		if hasMin && n < least || hasMax && n > most {
			r.warn(r.at(at), fmt.Sprintf("%s.steps: %s lies outside min and max and is never used", one.path, text))
		}
		b.Steps = append(b.Steps, n)
	}
	return b
}

// amount reads a bound; "" is unset.
func (r *resolver) amount(resource policy.Resource, text, path string) policy.Quantity {
	if text == "" {
		return policy.Quantity{}
	}
	q, err := policy.ParseQuantity(resource, text)
	switch n, limited := q.Amount(); {
	case err != nil:
		r.faultAt(path, lead(path, strings.TrimPrefix(err.Error(), string(resource)+": ")), "")
	case !limited:
		r.faultAt(path, lead(path, "a bound cannot be unlimited"), "leave it out")
	case n == 0:
		r.faultAt(path, lead(path, "want more than 0"), "")
	default:
		return q
	}
	return policy.Quantity{}
}
