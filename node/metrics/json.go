package metrics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// WriteJSON writes a reading: what people look for in sections, and every engram_* metric by its name, one a line.
func (m *Metrics) WriteJSON(w io.Writer) error {
	r := m.read()
	text, err := json.MarshalIndent(m.view(&r), "", "  ")
	if err != nil {
		return fmt.Errorf("metrics as JSON: %w", err)
	}
	flat, err := m.flat(r)
	if err != nil {
		return err
	}
	b := bytes.NewBuffer(bytes.TrimSuffix(text, []byte("\n}")))
	for _, line := range flat {
		b.WriteString(",\n  " + line)
	}
	b.WriteString("\n}\n")
	_, err = w.Write(b.Bytes())
	return err
}

// flat returns `"name{label=\"value\"}": 12.3` for every metric of a reading, in order. Of histograms it has count and sum.
func (m *Metrics) flat(r reading) ([]string, error) {
	registry := prometheus.NewRegistry()
	if err := registry.Register(collector{func() reading { return r }, m.ops}); err != nil {
		return nil, err
	}
	families, err := registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("metrics as JSON: %w", err)
	}
	var lines []string
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			lines = append(lines, flatLines(f.GetName(), metric)...)
		}
	}
	slices.Sort(lines)
	return lines, nil
}

func flatLines(name string, m *dto.Metric) []string {
	line := func(suffix string, v float64) string {
		var labels []string
		for _, l := range m.GetLabel() {
			labels = append(labels, l.GetName()+"="+strconv.Quote(l.GetValue()))
		}
		key := name + suffix
		if len(labels) > 0 {
			key += "{" + strings.Join(labels, ",") + "}"
		}
		quoted, err := json.Marshal(key)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return strconv.Quote(key) + ": null"
		}
		return string(quoted) + ": " + strconv.FormatFloat(v, 'f', -1, 64)
	}
	switch {
	case m.Gauge != nil:
		return []string{line("", m.Gauge.GetValue())}
	case m.Counter != nil:
		return []string{line("", m.Counter.GetValue())}
	case m.Untyped != nil:
		return []string{line("", m.Untyped.GetValue())}
	case m.Histogram != nil:
		return []string{line("_count", float64(m.Histogram.GetSampleCount())), line("_sum", m.Histogram.GetSampleSum())}
	}
	return nil
}
