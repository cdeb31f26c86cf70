package presets_test

import (
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/presets"
	"github.com/goccy/go-yaml"
)

// A file is a preset as this test reads it; agent/config has the decoder for users.
type file struct {
	Description string                         `yaml:"description"`
	Suggest     struct{ Limits yaml.MapSlice } `yaml:"suggest"`
	Policies    []struct {
		Name   string `yaml:"name"`
		Matrix struct {
			Signals map[string]string `yaml:"signals"`
			Rows    []rowText         `yaml:"rows"`
		} `yaml:"matrix"`
	} `yaml:"policies"`
}

type rowText struct {
	When   map[string]string         `yaml:"when"`
	For    string                    `yaml:"for"`
	Do     any                       `yaml:"do"`
	Why    string                    `yaml:"why"`
	Change map[string]map[string]any `yaml:"change"`
	Within string                    `yaml:"within"`
}

// load returns the policies of a preset by name.
func load(t testing.TB, preset string) map[string]policy.Policy {
	t.Helper()
	b, ok := presets.Read(preset)
	if !ok {
		t.Fatalf("no preset %s", preset)
	}
	var f file
	if err := yaml.UnmarshalWithOptions(b, &f, yaml.Strict()); err != nil {
		t.Fatalf("%s: %v", preset, err)
	}
	if f.Description == "" {
		t.Errorf("%s: no description", preset)
	}
	policies := map[string]policy.Policy{}
	for _, p := range f.Policies {
		m := &policy.Matrix{Signals: p.Matrix.Signals, LongestRange: time.Minute}
		for i, r := range p.Matrix.Rows {
			m.Rows = append(m.Rows, r.row(t, fmt.Sprintf("%s/%s row %d", preset, p.Name, i+1)))
		}
		policies[p.Name] = policy.Policy{Name: p.Name, Every: 15 * time.Second, Matrix: m}
	}
	return policies
}

func (r rowText) row(t testing.TB, name string) policy.Row {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	row := policy.Row{When: map[string]policy.Interval{}, Why: r.Why}
	var err error
	for signal, text := range r.When {
		row.When[signal], err = policy.ParseInterval(text)
		must(err)
	}
	for text, d := range map[string]*time.Duration{r.For: &row.For, r.Within: &row.Within} {
		if text != "" {
			*d, err = policy.ParseDuration(text)
			must(err)
		}
	}
	switch do := r.Do.(type) {
	case string:
		row.Do = []policy.Verdict{policy.Verdict(do)}
	case []any:
		for _, v := range do {
			row.Do = append(row.Do, policy.Verdict(v.(string)))
		}
	}
	for group, parts := range r.Change {
		row.Changes = append(row.Changes, changes(t, name, group, parts)...)
	}
	slices.SortFunc(row.Changes, func(a, b policy.Change) int { return strings.Compare(string(a.Resource), string(b.Resource)) })
	return row
}

// changes reads {by, to, cap} of a resource, or a group of such: {evict: now}, {retain: 12h}.
func changes(t testing.TB, name, group string, parts map[string]any) []policy.Change {
	t.Helper()
	text := func(m map[string]any, key string) string {
		if v, ok := m[key]; ok {
			return fmt.Sprint(v)
		}
		return ""
	}
	parse := func(r policy.Resource, by, to, limit string) policy.Change {
		c, err := policy.ParseChange(r, by, to, limit)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return c
	}
	var all []policy.Change
	if text(parts, "by")+text(parts, "to") != "" {
		all = append(all, parse(policy.Resource(group), text(parts, "by"), text(parts, "to"), text(parts, "cap")))
	}
	for key, v := range parts {
		r := policy.Resource(group + "." + key)
		switch v := v.(type) {
		case map[string]any:
			all = append(all, parse(r, text(v, "by"), text(v, "to"), text(v, "cap")))
		case string, bool:
			switch {
			case r.IsOperation():
				all = append(all, parse(r, "", "", ""))
			case r == policy.Retain:
				all = append(all, parse(r, "", fmt.Sprint(v), ""))
			}
		}
	}
	return all
}

func TestEveryFileIsNamed(t *testing.T) {
	files, err := fs.Glob(presets.Files, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f, ".yaml"))
	}
	if !slices.Equal(names, presets.Names()) {
		t.Errorf("files %v, names %v", names, presets.Names())
	}
	if _, ok := presets.Read("no-such"); ok {
		t.Error("a preset that does not exist was read")
	}
}

// TestPresetsHaveNoFault proves that the matrices cover everything, without an overlap.
func TestPresetsHaveNoFault(t *testing.T) {
	for _, name := range presets.Names() {
		for part, p := range load(t, name) {
			for _, fault := range policy.Lint(*p.Matrix) {
				t.Errorf("%s/%s: %v", name, part, fault)
			}
			for i, r := range p.Matrix.Rows {
				if r.Why == "" && r.Do[0] != policy.None {
					t.Errorf("%s/%s row %d does not say why", name, part, i+1)
				}
			}
		}
	}
}

func TestCPUSuggestsTheGuidesSteps(t *testing.T) {
	b, _ := presets.Read("engram-cpu")
	if !strings.Contains(string(b), "steps: [2, 4, 8, 16, 32]") {
		t.Error("the guide's increments are not suggested")
	}
}

// cell is one point of a preset: what its row says, once it has held for its `for`.
type cell struct {
	name    string
	policy  string
	at      map[string]float64 // NaN is unknown
	verdict policy.Verdict
	changes string
	within  time.Duration
}

func point(pairs ...any) map[string]float64 {
	m := map[string]float64{}
	for pair := range slices.Chunk(pairs, 2) {
		switch v := pair[1].(type) {
		case int:
			m[pair[0].(string)] = float64(v)
		case float64:
			m[pair[0].(string)] = v
		}
	}
	return m
}

// settle evaluates a steady point until every `for` has passed.
func settle(p policy.Policy, at map[string]float64) policy.Evaluation {
	now := time.Date(2025, 6, 2, 12, 0, 0, 0, time.UTC)
	var clocks policy.Clocks
	var e policy.Evaluation
	for range 130 {
		readings := map[string]policy.Reading{}
		for name, v := range at {
			readings[name] = policy.Reading{Value: v, Known: !math.IsNaN(v), At: now}
		}
		clocks, e = p.Evaluate("engram", clocks, policy.Inputs{Now: now, Readings: readings, Sizes: policy.Size{policy.Retain: policy.Amount(86400)}})
		now = now.Add(15 * time.Second)
	}
	return e
}

func check(t *testing.T, preset string, cells []cell) {
	policies := load(t, preset)
	answered := map[string]map[int]bool{}
	for _, c := range cells {
		t.Run(c.name, func(t *testing.T) {
			e := settle(policies[c.policy], c.at)
			var texts []string
			for _, p := range e.Proposals {
				texts = append(texts, p.Change.String())
				if p.Deadline.Sub(e.At) != c.within && !(c.within == 0 && p.Deadline.IsZero()) {
					t.Errorf("within %s, want %s", p.Deadline.Sub(e.At), c.within)
				}
			}
			verdict := string(e.Verdict)
			if e.Diagnose && e.Verdict != policy.Diagnose {
				verdict += ", diagnose"
			}
			if verdict != string(c.verdict) || strings.Join(texts, "; ") != c.changes {
				t.Errorf("%v: %s [%s], want %s [%s]\n%s", c.at, verdict, strings.Join(texts, "; "), c.verdict, c.changes, e.Text)
			}
			if answered[c.policy] == nil {
				answered[c.policy] = map[int]bool{}
			}
			answered[c.policy][e.Row] = true
		})
	}
	for name, p := range policies {
		for i := range p.Matrix.Rows {
			if !answered[name][i+1] {
				t.Errorf("%s: no cell shows row %d", name, i+1)
			}
		}
	}
}

func TestCPU(t *testing.T) {
	const (
		x2  = "cpu x2, at most 8 cores"
		x4  = "cpu x4, at most 16 cores"
		day = 24 * time.Hour
	)
	unknown := math.NaN()
	check(t, "engram-cpu", []cell{
		// The guide's table.
		{"<50%, <10ms: no action", "cpu", point("cpu", 20, "p99", 5), policy.None, "", 0},
		{"50-70%, <10ms: plan", "cpu", point("cpu", 60, "p99", 5), policy.PlanOnly, x2, 14 * day},
		{"70-85%, 10-50ms: scale immediately", "cpu", point("cpu", 78, "p99", 31), policy.Scale, x2, 2 * day},
		{"70-85%, >50ms: scale urgently", "cpu", point("cpu", 78, "p99", 80), policy.Scale, x4, day},
		{">85%, low latency: emergency", "cpu", point("cpu", 90, "p99", 1), "emergency, diagnose", "cpu to the maximum", 0},
		{">85%, high latency: emergency", "cpu", point("cpu", 99, "p99", 500), "emergency, diagnose", "cpu to the maximum", 0},
		// Its bounds.
		{"at 50%", "cpu", point("cpu", 50, "p99", 9.9), policy.PlanOnly, x2, 14 * day},
		{"at 70% and 10ms", "cpu", point("cpu", 70, "p99", 10), policy.Scale, x2, 2 * day},
		{"at 50ms", "cpu", point("cpu", 84.9, "p99", 50), policy.Scale, x4, day},
		{"at 85%", "cpu", point("cpu", 85, "p99", 5), "emergency, diagnose", "cpu to the maximum", 0},
		// Its holes.
		{"<50%, >=10ms", "cpu", point("cpu", 20, "p99", 10), "hold, diagnose", "", 0},
		{"50-70%, >=10ms", "cpu", point("cpu", 60, "p99", 200), "hold, diagnose", "", 0},
		{"70-85%, <10ms", "cpu", point("cpu", 75, "p99", 9), policy.PlanOnly, x2, 14 * day},
		// Without its signals.
		{"latency unknown, CPU used up", "cpu", point("cpu", 90, "p99", unknown), "emergency, diagnose", "cpu to the maximum", 0},
		{"latency unknown, CPU busy", "cpu", point("cpu", 75, "p99", unknown), policy.Blind, "", 0},
		{"CPU unknown", "cpu", point("cpu", unknown, "p99", 5), policy.Blind, "", 0},
	})
}

func TestMemory(t *testing.T) {
	const (
		evict    = "tiers.evict; tiers.hot_threshold +0.1, at most 0.6"
		migrate  = "tiers.evict; tiers.warm_threshold +0.05, at most 0.3"
		ram      = "memory x1.5"
		doubling = "memory x2; tiers.evict"
		week     = 7 * 24 * time.Hour
	)
	unknown := math.NaN()
	check(t, "engram-memory", []cell{
		// The guide's table.
		{"<60%, balanced: no action", "memory", point("pressure", 40, "hot", 8, "cold", 50), policy.None, "", 0},
		{"60-75%, hot-heavy: optimize", "memory", point("pressure", 70, "hot", 55, "cold", 10), policy.Scale, evict, 0},
		{"75-85%, balanced: scale RAM", "memory", point("pressure", 80, "hot", 10, "cold", 60), policy.Scale, ram, week},
		{"75-85%, cold-heavy: migrate", "memory", point("pressure", 80, "hot", 5, "cold", 85), policy.Scale, migrate, 0},
		{">85%, balanced: emergency", "memory", point("pressure", 90, "hot", 10, "cold", 60), policy.Emergency, doubling, 0},
		{">85%, hot-heavy: emergency", "memory", point("pressure", 90, "hot", 80, "cold", 0), policy.Emergency, doubling, 0},
		{">85%, cold-heavy: emergency", "memory", point("pressure", 99, "hot", 1, "cold", 95), policy.Emergency, doubling, 0},
		// Its bounds.
		{"at 60%, at 50% hot", "memory", point("pressure", 60, "hot", 50, "cold", 0), policy.Scale, evict, 0},
		{"at 75%, at 80% cold", "memory", point("pressure", 75, "hot", 49.9, "cold", 80), policy.Scale, migrate, 0},
		{"just balanced", "memory", point("pressure", 84.9, "hot", 49.9, "cold", 79.9), policy.Scale, ram, week},
		{"at 85%", "memory", point("pressure", 85, "hot", 10, "cold", 60), policy.Emergency, doubling, 0},
		// Its holes.
		{"<60%, hot-heavy", "memory", point("pressure", 40, "hot", 90, "cold", 0), policy.None, "", 0},
		{"<60%, cold-heavy", "memory", point("pressure", 40, "hot", 1, "cold", 95), policy.None, "", 0},
		{"60-75%, balanced", "memory", point("pressure", 70, "hot", 10, "cold", 60), policy.HoldSize, "", 0},
		{"60-75%, cold-heavy", "memory", point("pressure", 70, "hot", 5, "cold", 90), policy.HoldSize, "", 0},
		{"75-85%, hot-heavy", "memory", point("pressure", 80, "hot", 55, "cold", 10), policy.Scale, evict, 0},
		{"75-85%, hot records, cold bytes", "memory", point("pressure", 80, "hot", 55, "cold", 90), policy.Scale, evict, 0},
		// Without its signals.
		{"tiers unknown, low", "memory", point("pressure", 40, "hot", unknown, "cold", unknown), policy.None, "", 0},
		{"tiers unknown, high", "memory", point("pressure", 80, "hot", unknown, "cold", unknown), policy.Blind, "", 0},
		{"tiers unknown, used up", "memory", point("pressure", 90, "hot", unknown, "cold", unknown), policy.Emergency, doubling, 0},
		{"pressure unknown", "memory", point("pressure", unknown, "hot", 10, "cold", 60), policy.Blind, "", 0},
	})
}

func TestNUMA(t *testing.T) {
	unknown := math.NaN()
	check(t, "engram-numa", []cell{
		{"95% local", "numa", point("remote", 4.9, "spread", 50), policy.None, "", 0},
		{"one node", "numa", point("remote", 0, "spread", unknown), policy.None, "", 0},
		{"others' memory", "numa", point("remote", 5, "spread", 4), policy.None, "", 0},
		{"enable NUMA pinning", "numa", point("remote", 5, "spread", 5), policy.Scale, "cpus to numa-aligned", 0},
		{"where it lies is not known", "numa", point("remote", 5, "spread", unknown), policy.Blind, "", 0},
		{"the host is not known", "numa", point("remote", unknown, "spread", 50), policy.Blind, "", 0},
	})
}

func TestStorage(t *testing.T) {
	unknown := math.NaN()
	check(t, "engram-storage", []cell{
		{"disk <70%", "disk", point("disk", 69.9), policy.None, "", 0},
		{"disk >70%: expand volume", "disk", point("disk", 70), policy.Scale, "storage x2", 0},
		{"disk unknown", "disk", point("disk", unknown), policy.Blind, "", 0},
		{"a week and more", "forecast", point("tomorrow", 50, "days_left", 7), policy.None, "", 0},
		{"never full", "forecast", point("tomorrow", 10, "days_left", 3650), policy.None, "", 0},
		{"full in 3 days", "forecast", point("tomorrow", 89.9, "days_left", 3), policy.PlanOnly, "storage x2", 7 * 24 * time.Hour},
		{"full tomorrow", "forecast", point("tomorrow", 90, "days_left", 1.2), policy.PlanOnly, "storage x2", 24 * time.Hour},
		{"nearly full, hardly growing", "forecast", point("tomorrow", 95, "days_left", 200), policy.None, "", 0},
		{"how it grows is not known", "forecast", point("tomorrow", unknown, "days_left", unknown), policy.Blind, "", 0},
		{"WAL unknown", "wal", point("wal", unknown), policy.Blind, "", 0},
		{"what the disk can do is not known", "iops", point("iops", unknown), policy.Blind, "", 0},
		{"snapshots unknown", "snapshots", point("snapshots", unknown), policy.Blind, "", 0},
		{"backlog unknown", "backlog", point("backlog", unknown), policy.Blind, "", 0},
		{"WAL <10GB", "wal", point("wal", 9.9e9), policy.None, "", 0},
		{"WAL >10GB: increase compaction", "wal", point("wal", 1e10), policy.Scale, "storage.compact; storage.retain to 12h", 0},
		{"IOPS <80%", "iops", point("iops", 79), policy.None, "", 0},
		{"IOPS >80%: upgrade disk type", "iops", point("iops", 80), policy.Diagnose, "", 0},
		{"10 snapshots", "snapshots", point("snapshots", 10), policy.None, "", 0},
		{">10 snapshots: prune", "snapshots", point("snapshots", 11), policy.Scale, "storage.archive; storage.prune", 0},
		{"5 segments", "backlog", point("backlog", 5), policy.None, "", 0},
		{">5 segments: dedicate CPU", "backlog", point("backlog", 6), policy.Scale, "threads.consolidation +1, at most 2", 0},
	})
}

func TestTiers(t *testing.T) {
	const evict = "tiers.evict"
	hot := func(memories, hot int, threshold float64) map[string]float64 {
		return point("memories", memories, "hot", hot, "threshold", threshold)
	}
	check(t, "engram-tiers", []cell{
		{name: "a few memories", policy: "hot", at: hot(9999, 100, 0.3), verdict: policy.None},
		{name: "small and strict", policy: "hot", at: hot(1e6, 4, 0.5), verdict: policy.Scale, changes: "tiers.hot_threshold -0.1"},
		{name: "small", policy: "hot", at: hot(1e6, 4, 0.3), verdict: policy.None},
		{name: "as the guide wants it", policy: "hot", at: hot(1e6, 9, 0.3), verdict: policy.None},
		{name: "the guide's 15%", policy: "hot", at: hot(1e6, 15, 0.3), verdict: policy.Scale, changes: evict},
		{name: "just imported", policy: "hot", at: hot(500_000, 100, 0.3), verdict: policy.Scale, changes: evict},
		{name: "few memories, all warm", policy: "warm", at: point("memories", 9999, "warm", 100), verdict: policy.None},
		{name: "warm as the guide wants it", policy: "warm", at: point("memories", 10_000, "warm", 34), verdict: policy.None},
		{name: "too much warm", policy: "warm", at: point("memories", 10_000, "warm", 35), verdict: policy.Scale, changes: evict},
	})
}
