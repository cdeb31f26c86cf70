package telemetry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/telemetry"
)

// TestGaugesOfATarget stores what a target's drivers measure by themselves, with the target's label, and
// goes on with the rest where they cannot.
func TestGaugesOfATarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := newMachine(t), &book{}
		var fault error
		tel := open(t, telemetry.Options{Root: m.root, Log: b.log(), Config: telemetry.Config{Interval: interval, Targets: []telemetry.Target{{
			Name: "web", Observe: m.observe,
			Gauges: func(context.Context) ([]actuators.Gauge, error) {
				m.mu.Lock()
				defer m.mu.Unlock()
				if fault != nil {
					return []actuators.Gauge{{Name: "storage_device_bytes", Value: 200}}, fault
				}
				return []actuators.Gauge{{Name: "storage_device_bytes", Value: 100}, {Name: "storage_busy_seconds_total", Value: 1.5}}, nil
			},
		}}}})
		run(t, tel)
		time.Sleep(time.Second)
		want := map[string]float64{
			`{__name__="engramd_target_storage_device_bytes", target="web"}`:       100,
			`{__name__="engramd_target_storage_busy_seconds_total", target="web"}`: 1.5,
		}
		if diff := cmp.Diff(want, now(t, tel, `{__name__=~"engramd_target_storage_.*"}`)); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
		m.set(func() { fault = errors.New("the volume is away") })
		time.Sleep(interval)
		got := now(t, tel, `{__name__=~"engramd_target_(storage_.*|up)"}`)
		if got[`{__name__="engramd_target_storage_device_bytes", target="web"}`] != 200 || got[`{__name__="engramd_target_up", target="web"}`] != 1 {
			t.Errorf("with a fault: %v", got)
		}
		if b.count("the volume is away") == 0 {
			t.Errorf("the log does not say it:\n%s", b.text())
		}
	})
}
