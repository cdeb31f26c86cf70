package nodeloop_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/loop"
	"github.com/engramd/engramd/testenv/nodeloop"
)

// memories writes n memories to a file, as somebody has them who imports them.
func memories(t *testing.T, n int) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "memories.ndjson")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range n {
		fmt.Fprintf(w, "{\"id\":\"m%06d\",\"content\":\"what was said in the %dth hour\"}\n", i, i)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// A fresh machine, `make run`, and half a million memories: what everyone sees first.
func TestE2EMakeRun(t *testing.T) {
	testenv.Need(t, "node")
	t.Parallel()
	const count = 500_000
	file := memories(t, count)
	a := nodeloop.AsItIs(t)
	testenv.Eventually(t, testenv.Patience(15*time.Second), "the log shows the node, its signals, and matrices evaluated", func() bool {
		log := a.Log(t)
		for _, want := range []string{
			"the memory node is serving", "target is ours to act on", "policy=node-tiers-hot verdict=none", "hot = 0, memories = 0", "policy=node-memory",
			"policy=node-queue-spreading", "policy=node-storage-wal",
		} {
			if !strings.Contains(log, want) {
				return false
			}
		}
		return true
	})
	a.Do(t, "node", "import", "--url", a.URL, file)
	evicted := a.Await(t, testenv.Patience(3*time.Minute), "a rebalancing is decided, done, validated and committed", func(x loop.Action) bool {
		return x.Target == "node" && x.Resource == "tiers.evict" && x.State == "committed"
	})
	for _, state := range []string{"applying", "verifying", "validating"} {
		if _, ok := evicted.Entered(state); !ok {
			t.Errorf("it was never %s: %+v", state, evicted.Times)
		}
	}
	var why loop.Explanation
	a.Ask(t, &why, "explain", evicted.ID)
	for _, r := range why.Decision.Readings {
		if r.Signal == "hot" && r.Value < 11 { // a node that sweeps by itself stops at 10
			t.Errorf("decided at a hot ratio of %v%%: the import did not push it beyond 10%%", r.Value)
		}
	}
	if why.Decision.Policy != "node-tiers-hot" || why.Decision.Mode != "auto" {
		t.Errorf("decided by %s in mode %s", why.Decision.Policy, why.Decision.Mode)
	}
	stats := "curl -sf " + a.URL + "/api/v1/admin/storage/stats | jq '"
	if ratio, err := strconv.ParseFloat(nodeloop.Shell(t, stats+".tier_distribution.hot / .tier_distribution.total'"), 64); err != nil || ratio >= 0.10 || ratio == 0 {
		t.Errorf("the hot ratio is %v (%v), not below 10%%", ratio, err)
	}
	if n := nodeloop.Shell(t, stats+".tier_distribution.total'"); n != strconv.Itoa(count) {
		t.Errorf("%s memories", n)
	}
	if owner := nodeloop.Shell(t, strings.Replace(stats, "jq '", "jq -r '", 1)+".owner'"); !strings.HasPrefix(owner, "engramd@") {
		t.Errorf("the tiers belong to %q", owner)
	}
	if x := a.Target(t, "node"); x.State == "blind" || x.Mode != "auto" {
		t.Errorf("status says %s, mode %s: %s", x.State, x.Mode, x.Detail)
	}
	a.Stop(t)
}
