package volume_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/engramd/engramd/actuators/conformance"
	"github.com/engramd/engramd/actuators/volume"
	"github.com/engramd/engramd/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestConformance has ext4 on a whole disk and xfs in a partition, on a volume of EBS that grows, and on
// a disk that has grown already.
func TestConformance(t *testing.T) {
	from, to := policy.Amount(8*gib), policy.Amount(16*gib)
	move := conformance.Move{Resource: policy.Storage, From: from, To: to, Strategy: policy.Live, Irreversible: true}
	for _, c := range []struct {
		name, fs    string
		partitioned bool
		cloud       bool
		refused     []conformance.Move
	}{
		{"ext4 on a volume", "ext4", false, true, nil},
		{"xfs in a partition of a volume", "xfs", true, true, nil},
		{"ext4 in a partition of a larger disk", "ext4", true, false, []conformance.Move{{Resource: policy.Storage, From: from, To: policy.Amount(17 * gib)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conformance.Run(t, conformance.Suite{
				Fresh: func(t *testing.T, _ policy.Size) conformance.Harness {
					m := newModel(t, c.fs, 8*gib, c.partitioned)
					var cloud *cloudModel
					if c.cloud {
						cloud = newCloud(t, 8)
						cloud.grown = m.grow
					} else {
						m.grow(16 * gib)
					}
					absent := m.target(cloud)
					absent.Specs = map[string]any{"volume": &volume.Spec{Path: "/nowhere"}}
					return conformance.Harness{Driver: m.driver(), Target: m.target(cloud), Absent: absent}
				},
				Moves: []conformance.Move{move},
				Refused: append(c.refused,
					conformance.Move{Resource: policy.Storage, From: from, To: policy.Amount(4 * gib)},
					conformance.Move{Resource: policy.Storage, From: from, To: policy.Unlimited()},
					conformance.Move{Resource: policy.Storage, From: from, To: policy.Amount(16*gib + 1000)},
				),
			})
		})
	}
}
