package view_test

import (
	"time"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy/diagnose"
)

func diagnosed(target string, numbers ...diagnose.Number) api.DiagnosisView {
	return api.DiagnosisView{Target: target, From: noon.Add(-5 * time.Minute), To: noon, Report: diagnose.Diagnose(numbers)}
}

// locked is a node whose workers wait for one another, and a web service of which little is known.
func locked() []api.DiagnosisView {
	return []api.DiagnosisView{
		diagnosed("engram",
			diagnose.Number{Measure: diagnose.CoresUsed, Value: 1.04}, diagnose.Number{Measure: diagnose.CoresLimit, Value: 4},
			diagnose.Number{Measure: diagnose.RunQueue, Value: 0.01}, diagnose.Number{Measure: diagnose.LockWaiters, Value: 15.1},
			diagnose.Number{Measure: diagnose.InFlight, Value: 16}, diagnose.Number{Measure: diagnose.Throttled, Value: 0},
			diagnose.Number{Measure: diagnose.BusiestThread, Value: 0.62}, diagnose.Number{Measure: diagnose.BlockedIO, Value: 0},
			diagnose.Number{Measure: diagnose.HostIOStall, Value: 0.002}, diagnose.Number{Measure: diagnose.NUMANodes, Value: 1},
			diagnose.Number{Measure: diagnose.MemoryUse, Value: 0.41}, diagnose.Number{Measure: diagnose.GCShare, Value: 0.02},
			diagnose.Number{Measure: diagnose.QueueDepth, Value: 14}, diagnose.Number{Measure: diagnose.SpreadingBusy, Value: 1},
			diagnose.Number{Measure: diagnose.SpreadingWork, Value: 15.8}, diagnose.Number{Measure: diagnose.ConsolidationWork, Value: 0.01},
			diagnose.Number{Measure: diagnose.APIWork, Value: 0.3}, diagnose.Number{Measure: diagnose.SnapshotWork, Value: 0}),
		diagnosed("web", diagnose.Number{Measure: diagnose.CoresUsed, Value: 0.5}, diagnose.Number{Measure: diagnose.CoresLimit, Value: 4}),
		diagnosed("away"),
	}
}
