package systemd_test

import (
	"strings"
	"testing"

	"github.com/engramd/engramd/actuators/conformance"
	"github.com/engramd/engramd/policy"
)

// TestConformance runs the suite on the model.
func TestConformance(t *testing.T) {
	for name, override := range map[string]bool{"unit file": false, "override.conf": true} {
		t.Run(name, func(t *testing.T) {
			conformance.Run(t, conformance.Suite{
				Fresh: func(t *testing.T, sizes policy.Size) conformance.Harness {
					m := newModel(t)
					text := "[Service]\n" + strings.Join(limits(sizes), "\n") + "\n"
					dropIns := map[string]string{}
					if override {
						dropIns[admin+"override.conf"] = text
						text = "[Service]\n"
					}
					u := m.add(worker, text, dropIns)
					return conformance.Harness{
						Driver: m.driver(), Target: m.target(worker), Absent: m.target("nobody.service"),
						Running: func(*testing.T) int {
							if u.active == "active" {
								return 1
							}
							return 0
						},
						Away: func(*testing.T) { m.away = true },
						Back: func(*testing.T) { m.away = false },
					}
				},
				Moves: []conformance.Move{
					{Resource: policy.CPU, From: policy.Amount(500), To: policy.Amount(1500), Strategy: policy.Live},
					{Resource: policy.CPU, To: policy.Amount(1500), Strategy: policy.Live, Target: persistent},
					{Resource: policy.Memory, From: policy.Amount(64 * mib), To: policy.Amount(128 * mib), Strategy: policy.Live},
					{Resource: policy.Memory, From: policy.Amount(128 * mib), To: policy.Amount(64 * mib), Strategy: policy.Live},
					{Resource: policy.Memory, To: policy.Amount(128 * mib), Strategy: policy.Live},
					{Resource: policy.CPUs, To: policy.Set("2-3"), Strategy: policy.Live},
					{Resource: policy.CPUs, From: policy.Set("0-1"), To: policy.Set("2-3"), Strategy: policy.Live, Target: persistent},
					{Name: "cpu by restart", Resource: policy.CPU, From: policy.Amount(500), To: policy.Amount(1500), Strategy: policy.Restart, Target: byRestart(policy.CPU)},
					{Name: "memory by restart", Resource: policy.Memory, To: policy.Amount(128 * mib), Strategy: policy.Restart, Target: byRestart(policy.Memory)},
				},
				Refused: []conformance.Move{
					{Resource: policy.CPU, From: policy.Amount(500), To: policy.Amount(1_000_000)},
					{Resource: policy.Memory, From: policy.Amount(64 * mib), To: policy.Amount(1 * mib)},
					{Resource: policy.CPUs, To: policy.Set("2-9")},
				},
			})
		})
	}
}
