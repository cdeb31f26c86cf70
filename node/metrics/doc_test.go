package metrics_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
)

// TestDocument holds docs/metrics.md to what is told: every metric of a node of which all is known, with its labels and its help.
func TestDocument(t *testing.T) {
	families, err := busy(t).Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "engram_") {
			rows = append(rows, fmt.Sprintf("| `%s%s` | %s | %s |", f.GetName(), labelsOf(f), strings.ToLower(f.GetType().String()), f.GetHelp()))
		}
	}
	const path, head = "../../docs/metrics.md", "| metric | type | what it tells |\n|---|---|---|\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(string(text), head)
	if !ok {
		t.Fatalf("%s has no table", path)
	}
	table, rest, _ := strings.Cut(after, "\n\n")
	want := strings.Join(rows, "\n")
	if diff := cmp.Diff(want, strings.TrimSpace(table)); diff != "" && !*update {
		t.Errorf("%s is behind: go test ./node/metrics -update (-want +got):\n%s", path, diff)
	} else if diff != "" {
		if err := os.WriteFile(path, []byte(before+head+want+"\n\n"+rest), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// labelsOf lists the labels of a family with the values that are few.
func labelsOf(f *dto.MetricFamily) string {
	var names []string
	values := map[string][]string{}
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if !slices.Contains(names, l.GetName()) {
				names = append(names, l.GetName())
			}
			values[l.GetName()] = append(values[l.GetName()], l.GetValue())
		}
	}
	for i, name := range names {
		if few := slices.Compact(slices.Sorted(slices.Values(values[name]))); name == "tier" || name == "pool" || name == "kind" && len(few) == 2 {
			names[i] += "=" + strings.Join(few, ",")
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "{" + strings.Join(names, "; ") + "}"
}
