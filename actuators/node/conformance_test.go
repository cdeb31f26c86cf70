package node_test

import (
	"testing"

	"github.com/engramd/engramd/actuators/conformance"
	driver "github.com/engramd/engramd/actuators/node"
	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/policy"
)

func TestConformance(t *testing.T) {
	move := func(r policy.Resource, from, to int64, along ...policy.Resource) conformance.Move {
		return conformance.Move{Resource: r, From: policy.Amount(from), To: policy.Amount(to), Strategy: policy.Live, Along: along}
	}
	moves := []conformance.Move{
		move(policy.ThreadsSpreading, 1, 3),
		move(policy.ThreadsConsolidation, 2, 1),
		move(policy.TiersHotThreshold, 300_000, 600_000),
		move(policy.TiersWarmThreshold, 50_000, 200_000),
		move(policy.TiersHotTierSize, 8<<20, 4<<20),
		move(policy.Retain, 86400, 3600),
		move(policy.Memory, 4<<30, 6<<30, policy.TiersHotTierSize),
	}
	if cores(t) > 1 {
		moves = append(moves, move(policy.CPU, 1000, 2000, policy.ThreadsSpreading))
	}
	conformance.Run(t, conformance.Suite{
		Fresh: func(t *testing.T, sizes policy.Size) conformance.Harness {
			w := begin(t, node.Options{})
			w.with(t, sizes)
			absent := w.target
			absent.Specs = map[string]any{"node": &driver.Spec{URL: notANode(t)}}
			return conformance.Harness{
				Driver: w.driver, Target: w.target, Absent: absent,
				Away: func(*testing.T) { w.gone() },
				Back: func(*testing.T) { w.back() },
			}
		},
		Moves: moves,
		Refused: []conformance.Move{
			{Name: "no worker", Resource: policy.ThreadsSpreading, From: policy.Amount(1), To: policy.Amount(0)},
			{Name: "warm above hot", Resource: policy.TiersWarmThreshold, From: policy.Amount(100_000), To: policy.Amount(400_000)},
			{Name: "hot below warm", Resource: policy.TiersHotThreshold, From: policy.Amount(300_000), To: policy.Amount(50_000)},
			{Name: "half a core", Resource: policy.CPU, From: policy.Amount(1000), To: policy.Amount(1500)},
			{Name: "more cores than there are", Resource: policy.CPU, From: policy.Amount(1000), To: policy.Amount((cores(t) + 1) * 1000)},
		},
	})
}
