package diagnose

import (
	"maps"
	"slices"
)

// Measures lists every measure, in the order of their names.
func Measures() []Measure { return slices.Sorted(maps.Keys(measures)) }

// Text writes a value of a measure as a sentence.
func (m Measure) Text(v float64) string { return measures[m].say(v) }
