package conformance_test

import (
	"fmt"
	"testing"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/conformance"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/policy"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFake(t *testing.T) {
	conformance.Run(t, conformance.Suite{
		Fresh: func(t *testing.T, sizes policy.Size) conformance.Harness {
			d := fake.New()
			d.Add("web", fake.Service{Sizes: sizes, Restart: []policy.Resource{policy.Storage}})
			away := fmt.Errorf("%w: away", actuators.ErrTransient)
			return conformance.Harness{
				Driver: d, Target: fake.Target("web"), Absent: fake.Target("nobody"),
				Running: func(*testing.T) int { return d.Running("web") },
				Away: func(*testing.T) {
					for _, op := range []string{"observe", "do", "undo"} {
						d.Fail(fake.Fault{Op: op, Times: -1, Err: away})
					}
				},
				Back: func(*testing.T) { d.Heal() },
			}
		},
		Moves: []conformance.Move{
			{Resource: policy.CPU, From: policy.Amount(500), To: policy.Amount(1500), Strategy: policy.Live},
			{Resource: policy.CPU, To: policy.Amount(1500), Strategy: policy.Live},
			{Resource: policy.Memory, From: policy.Amount(1 << 30), To: policy.Amount(2 << 30), Strategy: policy.Live},
			{Resource: policy.Memory, From: policy.Unlimited(), To: policy.Amount(2 << 30), Strategy: policy.Live},
			{Resource: policy.Storage, From: policy.Amount(1 << 30), To: policy.Amount(2 << 30), Strategy: policy.Restart},
		},
		Refused: []conformance.Move{
			{Resource: policy.Memory, From: policy.Amount(1 << 30), To: policy.Amount(0)},
			{Resource: policy.Replicas, From: policy.Amount(1), To: policy.Amount(2)},
		},
	})
}
