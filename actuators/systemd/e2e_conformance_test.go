package systemd_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/engramd/engramd/actuators/conformance"
	"github.com/engramd/engramd/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestE2EConformance runs the suite on systemd itself. It takes the ways that differ; the model is tried
// with more sizes.
func TestE2EConformance(t *testing.T) {
	h := newHost(t)
	made := 0
	fresh := func(override bool) func(t *testing.T, sizes policy.Size) conformance.Harness {
		return func(t *testing.T, sizes policy.Size) conformance.Harness {
			made++
			unit := fmt.Sprintf("bsystemd-%d.service", made)
			lines, dropIns := sleeper(limits(sizes)...), map[string]string(nil)
			if override {
				text := "[Service]\n" + strings.Join(limits(sizes), "\n") + "\n"
				lines, dropIns = sleeper("CPUQuota=10%"), map[string]string{"override.conf": text}
			}
			h.start(t, unit, lines, dropIns)
			return conformance.Harness{
				Driver: h.driver, Target: h.target(unit), Absent: h.target("nobody.service"),
				Running: func(t *testing.T) int {
					if show(t, unit, "MainPID") == "0" {
						return 0
					}
					return 1
				},
				Away: func(t *testing.T) { systemctl(t, "stop", "dbus.socket", "dbus.service") },
				Back: func(t *testing.T) { systemctl(t, "start", "dbus.socket", "dbus.service") },
			}
		}
	}
	t.Run("plain", func(t *testing.T) {
		conformance.Run(t, conformance.Suite{
			Patience: 30 * time.Second,
			Fresh:    fresh(false),
			Moves: []conformance.Move{
				{Name: "persistent cpu", Resource: policy.CPU, To: policy.Amount(1500), Strategy: policy.Live, Target: persistent},
				{Resource: policy.Memory, From: policy.Amount(128 * mib), To: policy.Amount(64 * mib), Strategy: policy.Live},
				{Resource: policy.CPUs, From: policy.Set("0-1"), To: policy.Set("2-3"), Strategy: policy.Live},
				{Name: "memory by restart", Resource: policy.Memory, To: policy.Amount(128 * mib), Strategy: policy.Restart, Target: byRestart(policy.Memory)},
			},
			Refused: []conformance.Move{
				{Resource: policy.CPU, From: policy.Amount(500), To: policy.Amount(1_000_000)},
				{Resource: policy.Memory, From: policy.Amount(64 * mib), To: policy.Amount(1 * mib)},
				{Resource: policy.CPUs, To: policy.Set("2-9")},
			},
		})
	})
	t.Run("override.conf", func(t *testing.T) {
		conformance.Run(t, conformance.Suite{
			Patience: 30 * time.Second,
			Fresh:    fresh(true),
			Moves: []conformance.Move{
				{Resource: policy.CPU, From: policy.Amount(500), To: policy.Amount(1500), Strategy: policy.Live},
			},
		})
	})
}
