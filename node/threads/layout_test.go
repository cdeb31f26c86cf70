package threads_test

import (
	"testing"

	"github.com/engramd/engramd/node/threads"
)

// TestWorkersThatNobodyCounted are as many as there are cores, and on a very large machine no more than a pool can have.
func TestWorkersThatNobodyCounted(t *testing.T) {
	machine := make(threads.CPUs, 4096)
	for i := range machine {
		machine[i] = i
	}
	for name, c := range map[string]struct {
		settings                 threads.Settings
		procs                    int
		spreading, consolidation int
	}{
		"nothing is said":      {threads.Settings{}, 8, 8, 1},
		"cores are":            {threads.Settings{SpreadingCores: machine[:3], ConsolidationCores: machine[3:5]}, 8, 3, 2},
		"workers are":          {threads.Settings{SpreadingWorkers: 5, ConsolidationWorkers: 2, SpreadingCores: machine[:3]}, 8, 5, 2},
		"a very large machine": {threads.Settings{ConsolidationCores: machine[:2000]}, 4096, 1024, 1024},
	} {
		spreading, consolidation, err := c.settings.Workers(machine, c.procs)
		if spreading != c.spreading || consolidation != c.consolidation || err != nil {
			t.Errorf("%s: %d and %d, %v; want %d and %d", name, spreading, consolidation, err, c.spreading, c.consolidation)
		}
	}
}
