package systemd_test

import (
	"os"
	"testing"

	"github.com/engramd/engramd/policy"
)

// TestUndoLeavesSystemdsOwnDirectories: without /run/systemd/system nobody believes that systemd runs.
func TestUndoLeavesSystemdsOwnDirectories(t *testing.T) {
	const units = "etc/systemd/system" // which nothing else is in, here
	m := newModel(t)
	m.add(worker, "[Service]\n", nil)
	m.write("run/systemd/system/worker.service.d/override.conf", "[Service]\nCPUQuota=50%\n")
	if err := os.Remove(m.at(units + "/keep")); err != nil {
		t.Fatal(err)
	}
	d, target := m.driver(), m.target(worker, persistent)
	st, err := d.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.Plan(target, st, policy.Size{policy.CPU: policy.Amount(1500)})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Steps {
		if err := d.Do(t.Context(), target, s); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(m.at(units + "/" + worker + ".d")); err != nil {
		t.Fatalf("the change is not where it was looked for: %v", err)
	}
	for _, s := range p.Steps {
		if err := d.Undo(t.Context(), target, s); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(m.at(units + "/" + worker + ".d")); !os.IsNotExist(err) {
		t.Errorf("our directory is still there: %v", err)
	}
	if _, err := os.Stat(m.at(units)); err != nil {
		t.Error(err)
	}
}
