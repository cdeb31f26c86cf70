package capacity

import (
	"fmt"
	"iter"
	"math"
	"reflect"
	"slices"
)

// A Constant is one number of a formula, and where it comes from.
type Constant struct {
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Source string  `json:"source"`
}

// becomes returns c with another value, and where that comes from.
func (c Constant) becomes(value float64, source string) Constant {
	return Constant{Value: value, Unit: c.Unit, Source: source}
}

// constants yields all constants of the struct that ptr points at, by the names in their json tags, in order.
func constants(ptr any) iter.Seq2[string, *Constant] {
	return func(yield func(string, *Constant) bool) {
		v := reflect.ValueOf(ptr).Elem()
		for i := range v.NumField() {
			if c, ok := v.Field(i).Addr().Interface().(*Constant); ok && !yield(v.Type().Field(i).Tag.Get("json"), c) {
				return
			}
		}
	}
}

// replace sets the constant of a name in the struct that ptr points at.
func replace(ptr any, name string, value float64, source string) error {
	var names []string
	for n, c := range constants(ptr) {
		if n == name {
			if math.IsNaN(value) || math.IsInf(value, 0) || value < 0 {
				return fmt.Errorf("%w: %s: %v is not an amount", ErrImpossible, name, value)
			}
			*c = c.becomes(value, source)
			return nil
		}
		names = append(names, n)
	}
	slices.Sort(names)
	return fmt.Errorf("%w: no constant is named %q; there are %v", ErrImpossible, name, names)
}

// A Difference is a constant that two models do not share.
type Difference struct {
	Name   string   `json:"name"`
	From   Constant `json:"from"`
	To     Constant `json:"to"`
	Reason string   `json:"reason"`
}

// Differences lists the constants of to whose value is not that of from. The reason is the source of the new value.
func Differences(from, to Model) []Difference {
	was := map[string]Constant{}
	for name, c := range constants(&from) {
		was[name] = *c
	}
	var out []Difference
	for name, c := range constants(&to) {
		if old := was[name]; old.Value != c.Value {
			out = append(out, Difference{Name: name, From: old, To: *c, Reason: c.Source})
		}
	}
	return out
}
