package service

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// An exposition writes the Prometheus text format. The samples of one family must follow one another.
type exposition struct {
	bytes.Buffer
	nan bool // every value is NaN: a fault on command
}

// family starts a metric; kind is counter, gauge or histogram.
func (e *exposition) family(name, kind, help string) {
	fmt.Fprintf(e, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// sample writes one value. labels come in pairs; %q quotes as the format wants it for the plain words used here.
func (e *exposition) sample(name string, value float64, labels ...string) {
	e.WriteString(name)
	for i := 0; i < len(labels); i += 2 {
		separator := ","
		if i == 0 {
			separator = "{"
		}
		fmt.Fprintf(e, "%s%s=%q", separator, labels[i], labels[i+1])
	}
	if len(labels) > 0 {
		e.WriteByte('}')
	}
	text := strconv.FormatFloat(value, 'g', -1, 64)
	if e.nan {
		text = "NaN"
	}
	e.WriteString(" " + text + "\n")
}

// single writes a family of one sample.
func (e *exposition) single(name, kind, help string, value float64, labels ...string) {
	e.family(name, kind, help)
	e.sample(name, value, labels...)
}

// perLabel writes a family with one sample for each value of a label.
func perLabel[N int64 | float64](e *exposition, name, kind, help, label string, values map[string]N) {
	if len(values) == 0 {
		return
	}
	e.family(name, kind, help)
	for _, value := range slices.Sorted(maps.Keys(values)) {
		e.sample(name, float64(values[value]), label, value)
	}
}
