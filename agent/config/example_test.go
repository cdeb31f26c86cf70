package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

// without removes the items of lists that name one of names, with what is indented below them.
func without(text string, names ...string) string {
	named := regexp.MustCompile(`^ *- .*\b(name|target): (` + strings.Join(names, "|") + `)\b`)
	var kept []string
	skip := -1
	for line := range strings.Lines(text) {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if skip >= 0 && (strings.TrimSpace(line) == "" || indent > skip) {
			continue
		}
		if skip = -1; named.MatchString(line) {
			skip = indent
			continue
		}
		kept = append(kept, line)
	}
	return strings.Join(kept, "")
}

// What the example says of the target in a container. TestExampleIsWhole has it with every platform.
func TestExample(t *testing.T) {
	text := without(string(readFile(t, "testdata/agent.example.yaml")), "worker", "api", "api-size", "business-hours")
	c, err := config.Parse("/etc/engramd/agent.yaml", []byte(text), registry())
	if err != nil {
		t.Fatal(err)
	}
	engram, ok := c.Target("engram")
	if !ok {
		t.Fatal("no target engram")
	}
	want := config.Target{
		Target: policy.Target{
			Name: "engram", Mode: policy.Auto, Runtime: "auto", MaintenanceWindow: "nightly", StopTimeout: 30 * time.Second,
			Specs: map[string]any{"docker": &dockerSpec{Container: "engram"}},
			Limits: map[policy.Resource]policy.Bounds{
				policy.CPU:    {Min: policy.Amount(1000), Max: policy.Amount(16000), Steps: []int64{1000, 2000, 4000, 8000, 16000}},
				policy.Memory: {Min: policy.Amount(1 << 30), Max: policy.Amount(32 << 30)},
			},
			Apply:  map[policy.Resource]policy.Apply{},
			Memory: policy.MemoryOptions{Reservation: 0.5, Swap: policy.SwapKeepDelta},
		},
		Drivers: []string{"docker"}, Container: "engram", NodeURL: "http://127.0.0.1:7432",
		Procedure: actuators.Procedure{
			Drain: &actuators.Drain{
				Enable:   actuators.Request{Method: "POST", URL: "http://127.0.0.1:7432/api/v1/admin/maintenance/enable", Timeout: 10 * time.Second},
				Disable:  actuators.Request{Method: "POST", URL: "http://127.0.0.1:7432/api/v1/admin/maintenance/disable", Timeout: 10 * time.Second},
				Status:   &actuators.Request{Method: "GET", URL: "http://127.0.0.1:7432/api/v1/admin/maintenance", Timeout: 10 * time.Second},
				InFlight: `sum(engram_operations_in_flight{target="engram", kind="write"})`, Settle: 30 * time.Second,
			},
			Health:      &actuators.Request{Method: "GET", URL: "http://127.0.0.1:7432/health", Timeout: 2 * time.Minute},
			StopTimeout: 30 * time.Second,
			Backup:      &actuators.Backup{MaxAge: 24 * time.Hour, AgeExpr: `time() - max(engram_snapshot_last_success_timestamp_seconds{target="engram"})`},
			Smoke:       []actuators.Smoke{{Request: &actuators.Request{Method: "GET", URL: "http://127.0.0.1:7432/health", Timeout: 30 * time.Second}}},
			Require: []actuators.Require{
				{Expr: `avg(engram_cpu_utilization_percent{target="engram"})`, Op: "<", Than: 70},
				{Expr: `max(engram_p99_latency_ms{target="engram", operation="spreading"})`, Op: "<", Than: 10},
				{Expr: `sum(engram_spreading_queue_depth{target="engram"})`, Op: "<", Than: 50},
			},
			P99: `max(engram_p99_latency_ms{target="engram"})`, ErrorRate: `sum(engram_error_ratio{target="engram"})`,
			Validation: actuators.Validation{Settle: 30 * time.Second, Duration: 30 * time.Minute, Every: 15 * time.Second, Checks: 3, NoEffect: "rollback", Tolerance: 0.1},
			RetryAfter: 24 * time.Hour,
		},
		Safety: config.Safety{
			CooldownUp: 5 * time.Minute, CooldownDown: 30 * time.Minute,
			Budget:     policy.Budget{PerHour: 4, PerDay: 12, EmergenciesPerDay: 4},
			ReserveCPU: config.Reserve{Fraction: 0.1}, ReserveMemory: config.Reserve{Fraction: 0.1}, Overcommit: true,
			RetryAfter: 24 * time.Hour, Recheck: 24 * time.Hour, ApprovalTTL: 24 * time.Hour,
		},
	}
	if diff := cmp.Diff(want, engram, cmp.AllowUnexported(policy.Quantity{})); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]config.Scrape{{Job: "engram", URL: "http://127.0.0.1:7432/metrics", Target: "engram"}}, c.Metrics.Scrape); diff != "" {
		t.Error(diff)
	}
	var names []string
	for _, p := range c.Policies {
		names = append(names, p.Name+" "+p.Preset+" "+p.Every.String()+" "+p.CooldownUp.String()+" "+p.Matrix.LongestRange.String())
	}
	if diff := cmp.Diff([]string{
		"cpu engram-cpu 15s 5m0s 1m0s",
		"memory engram-memory 15s 5m30s 0s",
		"storage-disk engram-storage 15s 5m0s 0s", "storage-forecast engram-storage 15s 5m0s 6h0m0s", "storage-wal engram-storage 15s 5m0s 0s",
		"storage-iops engram-storage 15s 5m0s 0s", "storage-snapshots engram-storage 15s 5m0s 0s", "storage-backlog engram-storage 15s 5m0s 0s",
	}, names); diff != "" {
		t.Error(diff)
	}
	wantBindings := []config.Binding{
		{Alert: "ScaleUpCPURequired", Target: "engram", Do: []policy.Verdict{policy.Scale}, LongestRange: 5 * time.Minute,
			Changes: []policy.Change{{Resource: policy.CPU, By: &policy.By{Factor: 2}}}},
		{Alert: "ScaleUpMemoryRequired", Target: "engram", Do: []policy.Verdict{policy.Scale},
			Changes: []policy.Change{{Resource: policy.Memory, By: &policy.By{Factor: 1.5}}}},
		{Alert: "ScaleUpStorageRequired", Target: "engram", Do: []policy.Verdict{policy.PlanOnly}, LongestRange: 6 * time.Hour,
			Changes: []policy.Change{{Resource: policy.Prune}, {Resource: policy.Compact}}},
		{Alert: "ScalingIneffective", Target: "engram", Rollback: true},
	}
	if diff := cmp.Diff(wantBindings, c.Rules.OnAlert, cmp.AllowUnexported(policy.Quantity{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("bindings (-want +got):\n%s", diff)
	}
	var warnings []string
	for _, w := range c.Warnings {
		warnings = append(warnings, w.String())
	}
	golden(t, "testdata/agent.example.warnings", strings.Join(warnings, "\n")+"\n")
}

// golden compares got with a file, or writes the file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); go test -update rewrites it:\n%s", path, diff)
	}
}
