package node_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/loop"
	"github.com/engramd/engramd/testenv/node"
)

// asItComes is an agent.yaml without any target: the agent looks after its own node.
const asItComes = `version: 1
data_dir: %s
listen: {agent: %q, node: %q}
metrics: {interval: 1s}
node: {enabled: true}
`

// TestE2EMemoryPressureIsMetByEviction has an engramd that looks after its own node grow by a million memories in a group of 320 MiB, while what it
// remembers is read: the agent evicts before memory ends, the kernel kills nobody, and what is read is right.
func TestE2EMemoryPressureIsMetByEviction(t *testing.T) {
	testenv.Need(t, "node")
	const limit = 320 << 20
	g := node.Confine(t, limit)
	t.Setenv("ENGRAMD_BIN", g.Enter(t, binary(t)))
	addr := fmt.Sprintf("127.0.0.1:%d", testenv.Port(t))
	a, n := loop.New(t, "", nil), &node.Node{URL: "http://" + addr}
	a.Write(t, fmt.Sprintf(asItComes, a.Dir, a.Addr, addr))
	a.Start(t)
	testenv.Eventually(t, soon, "the agent owns the tiers", func() bool { return owner(t, n) != "" && owner(t, n) != "node" })

	var through, reads, most atomic.Int64
	stops := []func(){watchMemory(t, g, &most), readOnAndOn(t, n, &through, &reads), readOnAndOn(t, n, &through, &reads)}
	lines := from(1)
	lines.perSecond, lines.most = 50_000, 1_000_000 // as a service grows: not within a second
	got := n.Import(t, lines)
	ended := time.Now()
	if through.Add(int64(got.Through)); !got.Done && (got.Problem == nil || got.Problem.Status != http.StatusInsufficientStorage) {
		t.Fatalf("the import ended with %+v (%+v), and not with its last line or 507", got, got.Problem)
	}
	for _, stop := range stops {
		stop()
	}
	if reads.Load() < 1000 {
		t.Errorf("%d reads only", reads.Load())
	}
	t.Logf("%d memories, %d reads; at most %d MiB were anonymous", through.Load(), reads.Load(), most.Load()>>20)
	t.Logf("what the agent did:\n%s", loop.Story(a.Actions(t)))
	evicted := 0
	for _, x := range a.Actions(t) {
		if x.Resource == "tiers.evict" && slices.Contains([]string{"validating", "committed", "superseded"}, x.State) && x.Times[0].At.Before(ended) {
			evicted++
		}
	}
	ratio, _ := a.Value(t, `engram_hot_tier_ratio{target="node"}`, time.Now())
	t.Logf("%.1f%% are hot", 100*ratio)
	moved, known := a.Value(t, `engram_evictions_total{from_tier="hot", to_tier="warm"}`, time.Now())
	if evicted == 0 || !known || moved < 10_000 {
		t.Errorf("the agent evicted %d times while it grew, %v memories", evicted, moved)
	}
	if m := most.Load(); m < limit/2 || m >= limit*95/100 {
		t.Errorf("at most %d MiB of %d were anonymous: that is no pressure, or too much", m>>20, limit>>20)
	}
	holds(t, n, g, int(through.Load()))
	if !a.Ready() || owner(t, n) == "node" {
		t.Errorf("the agent is ready: %v; %s owns the tiers", a.Ready(), owner(t, n))
	}
}

// owner is who sweeps the tiers of a node.
func owner(t *testing.T, n *node.Node) string {
	t.Helper()
	var answer struct{ Owner string }
	n.Get(t, "/api/v1/admin/storage/eviction", &answer)
	return answer.Owner
}

// watchMemory notes the most anonymous memory that a group ever has, until it is stopped.
func watchMemory(t *testing.T, g *node.Group, most *atomic.Int64) (stop func()) {
	t.Helper()
	return beside(t, func(ctx context.Context) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			most.Store(max(most.Load(), int64(g.AnonBytes(t))))
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	})
}

// readOnAndOn reads memories that are there already, at random, until it is stopped. What was acknowledged must be there, and what is
// there must be right.
func readOnAndOn(t *testing.T, n *node.Node, through, reads *atomic.Int64) (stop func()) {
	t.Helper()
	return beside(t, func(ctx context.Context) {
		for known := 1000; ctx.Err() == nil; {
			i := 1 + rand.IntN(known)
			durable := int64(i) <= through.Load()
			var m struct{ Content string }
			switch status := n.Get(t, "/api/v1/memories/"+endlessID(i), &m); {
			case status == http.StatusOK && m.Content == endlessContent(i):
				known = max(known, i+500)
				reads.Add(1)
			case status == http.StatusNotFound && !durable:
			default:
				t.Errorf("memory %d: %d %q", i, status, m.Content)
				return
			}
		}
	})
}

// beside does something until it is stopped.
func beside(t *testing.T, do func(ctx context.Context)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var ends sync.WaitGroup
	ends.Go(func() { do(ctx) })
	stop = func() {
		cancel()
		ends.Wait()
	}
	t.Cleanup(stop)
	return stop
}
