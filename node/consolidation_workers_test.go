package node_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/threads"
)

// TestConsolidationWorkersTakeASpaceEach has two spaces consolidated in the background: with two workers both are at work at once at some
// time, with one never.
func TestConsolidationWorkersTakeASpaceEach(t *testing.T) {
	for workers, rounds := range map[int]int{1: 10, 2: 200} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			o := small(t.TempDir())
			o.ConsolidateEvery = 20 * time.Millisecond
			o.Threading = threads.Settings{ConsolidationWorkers: workers}
			n, _ := running(t, o)
			spaces := []string{node.DefaultSpace, "other"}
			if _, err := n.CreateSpace(t.Context(), "other", 0); err != nil {
				t.Fatal(err)
			}
			most := 0
			for round := 0; most < 2 && round < rounds; round++ {
				for _, space := range spaces {
					var ms []node.Memory
					for i := range 1000 {
						ms = append(ms, node.Memory{Content: fmt.Sprintf("memory %d of round %d", i, round)})
					}
					if _, err := n.RememberAll(t.Context(), space, ms); err != nil {
						t.Fatal(err)
					}
				}
				for begin := time.Now(); most < 2 && time.Since(begin) < 100*time.Millisecond; {
					st, err := n.Threading()
					if err != nil {
						t.Fatal(err)
					}
					most = max(most, st.Consolidation.Busy+st.Consolidation.QueueDepth)
				}
			}
			if most != workers {
				t.Errorf("%d rounds at once, with %d workers", most, workers)
			}
		})
	}
}
