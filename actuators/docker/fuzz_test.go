package docker

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// FuzzContainer feeds whatever a daemon might say of a container through everything that reads it:
// nothing may panic, and what is planned must stand on what was said.
func FuzzContainer(f *testing.F) {
	seed, err := os.ReadFile("testdata/inspect.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed, int64(1500), int64(1<<30))
	f.Add([]byte(`{"Id":"c0ffee","Name":"/x","Config":{},"HostConfig":{}}`), int64(10), int64(6<<20))
	f.Add([]byte(`{"Id":"c0ffee","Name":"/x","Config":{"Labels":null},"HostConfig":{"Mounts":7,"CpuQuota":-1,"NanoCpus":1,"Memory":-1}}`), int64(-1), int64(0))
	f.Fuzz(func(t *testing.T, text []byte, milli, memory int64) {
		c, err := decodeContainer(text)
		if err != nil {
			return
		}
		_ = noteOn(c)
		_ = c.metricsURL()
		_ = joinsOf(c)
		c.startedAt()
		facts := factsOf(c, "")
		part := actuators.Part{
			Raw:        actuators.Encode(facts),
			Configured: policy.Size{policy.CPU: facts.CPU.quantity(), policy.Memory: facts.Memory.quantity()},
		}
		part.Effective = part.Configured
		d := New(nil)
		target := policy.Target{Name: "x", AdoptUnlimited: true, Apply: map[policy.Resource]policy.Apply{policy.CPU: policy.ApplyRestart}}
		state := actuators.State{Parts: []actuators.Part{part}}
		_, _ = d.Plan(target, state, policy.Size{policy.CPU: policy.Amount(milli), policy.Memory: policy.Amount(memory)})

		r := recreating{recreation: recreation{ID: c.ID, Name: c.name(), Kept: keptName(c.name(), c.ID), Image: c.Image, Restart: facts.Restart}}
		body, err := r.body(c, "1.41", nil)
		if err != nil {
			return
		}
		again, err := json.Marshal(body)
		if err != nil {
			t.Fatalf("the request cannot be encoded: %v", err)
		}
		var request struct {
			Labels     map[string]string
			HostConfig struct{ AutoRemove bool }
		}
		if err := json.Unmarshal(again, &request); err != nil {
			t.Fatal(err)
		}
		if request.HostConfig.AutoRemove || request.Labels[LabelFrom] != c.ID {
			t.Errorf("the new container would not be kept, or not be found: %s", again)
		}
	})
}

func FuzzUse(f *testing.F) {
	f.Add([]byte(`{"memory_stats":{"usage":100,"stats":{"active_file":10,"inactive_file":20}}}`))
	f.Add([]byte(`{"memory_stats":{"usage":100,"stats":{"total_inactive_file":200,"total_active_file":-5}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		use, err := decodeUse(bytes.NewReader(text))
		if err == nil && (use.usage < 0 || use.hard < 0 || use.hard > use.usage) {
			t.Errorf("%s gave %+v", text, use)
		}
	})
}
