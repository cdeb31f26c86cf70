package node_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/loop"
	"github.com/engramd/engramd/testenv/node"
)

// The guide's "Scaling Did Not Improve Performance": its script names the bottleneck of a node whose spreads wait for a lock,
// says of each of the guide's four what speaks for it, and what the guide would do.
func TestE2EGuideTroubleshootsPerformance(t *testing.T) {
	testenv.Need(t, "node")
	const hold = 8 * time.Millisecond
	n := locked(t, hold)
	n.Home, n.Binary = t.TempDir(), engramd(t)
	n.Web(t, 1009)
	// Two workers wait for the lock, beside those that wait for a worker.
	n.Do(t, `curl -sf -X POST http://localhost:7432/api/v1/admin/threading -H "Content-Type: application/json" -d '{"spreading_workers": 2}'`)
	n.Spread(t, func() float64 { return 1.4 / hold.Seconds() })
	testenv.Eventually(t, soon, "more waits than the lock lets through", func() bool { return n.Spreading(t).QueueDepth >= 50 })
	a := loop.Start(t, fmt.Sprintf("metrics: {interval: 1s}\ntargets:\n  - name: memories\n    node: {url: %q}\n", n.URL), nil)
	scripts, err := filepath.Abs("../../scripts")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(scripts, filepath.Join(n.Home, "scripts")); err != nil {
		t.Fatal(err)
	}
	script := "export ENGRAMD_ADDR=" + a.Addr + "\n" + guide(t, "troubleshoot_performance.sh")
	var r node.Result
	t.Cleanup(func() { t.Logf("it printed:\n%s%s", r.Stdout, r.Stderr) })
	testenv.Eventually(t, soon, "the script says what it is", func() bool {
		r = n.Shell(t, script)
		return strings.HasPrefix(r.Stdout, "memories: lock contention (")
	})
	out := r.Stdout
	for _, row := range []string{`lock contention +likely`, `network +(ruled out|unknown|possible)`, `disk I/O +(ruled out|unknown|possible)`, `remote NUMA access +(ruled out|unknown)`} {
		if !regexp.MustCompile(`(?m)^` + row).MatchString(out) {
			t.Errorf("no row %s in\n%s", row, out)
		}
	}
	if !strings.Contains(out, "Reduce concurrent operations") {
		t.Errorf("the guide's resolution is not in\n%s", out)
	}
	if top := n.Do(t, "export ENGRAMD_ADDR="+a.Addr+"\n./scripts/diagnose_bottleneck.sh memories --format json | jq -r '.[0].causes[0] | .cause + \" \" + .verdict'"); strings.TrimSpace(top) != "lock likely" {
		t.Errorf("as JSON: %s", top)
	}
}

// The guide's "Memory Usage Still High After Tier Rebalancing": its commands show why, and each of its resolutions helps. Its
// "lower" thresholds have to be higher ones (see docs/decisions.md).
func TestE2EGuideTroubleshootsMemory(t *testing.T) {
	n := remembered(t)
	hot := func() int { return tiersOf(t, n).Hot }
	var histogram []struct{ Count int }
	shown := n.Do(t, guide(t, "eviction.sh"))
	if at := strings.Index(shown, "["); at < 0 || json.Unmarshal([]byte(shown[at:]), &histogram) != nil {
		t.Fatalf("there is no histogram in\n%s", shown)
	}
	total := 0
	for _, bin := range histogram {
		total += bin.Count
	}
	cold := tiersOf(t, n).Cold
	if before := hot(); before == 0 || total != 20 {
		t.Fatalf("%d are hot, and the histogram counts %d of 20", before, total)
	}

	// Verify nodes are decaying properly: reading one does not count as an access, and time goes by.
	activation := `curl -s http://localhost:7432/api/v1/memories/m0 | jq .activation`
	first := n.Do(t, activation)
	testenv.Eventually(t, 20*time.Second, "what nobody asks for decays", func() bool {
		return n.Shell(t, fmt.Sprintf(`%s | jq -e '. < %s'`, activation, strings.TrimSpace(first))).Code == 0
	})

	// Force manual eviction of specific nodes.
	n.Do(t, `engramd node evict m0 m1 --to cold`)
	if before, after := cold, tiersOf(t, n).Cold; after < before+2 {
		t.Errorf("%d were cold, and after the eviction of two %d are", before, after)
	}

	// A threshold that evicts more, and sweeps more often: nobody asks for one, and all is evicted.
	n.Do(t, `curl -sf -X POST http://localhost:7432/api/v1/admin/storage/eviction -H "Content-Type: application/json" -d '{"hot_threshold": 1, "hot_interval": "1s"}'`)
	testenv.Eventually(t, 20*time.Second, "a sweep evicts what is below the threshold", func() bool { return hot() == 0 })
	if d := tiersOf(t, n); d.Hot+d.Warm+d.Cold != 20 || d.Total != 20 {
		t.Errorf("%+v does not sum to 20", d)
	}
}

// engramd is the program that the guide's commands are run with.
func engramd(t *testing.T) string {
	t.Helper()
	if ready := os.Getenv("ENGRAMD_BIN"); ready != "" {
		return ready
	}
	return testenv.Build(t, "cmd/engramd")
}

type distribution struct{ Hot, Warm, Cold, Total int }

func tiersOf(t *testing.T, n *node.Node) (d distribution) {
	t.Helper()
	if err := json.Unmarshal([]byte(n.Do(t, `curl -sf http://localhost:7432/api/v1/admin/storage/stats | jq .tier_distribution`)), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// The guide's "Storage Expansion Not Reflected": its commands show the disk and the file system, and the node counts on what is
// free there. The growth itself is tested where there is a disk that grows (testenv/host).
func TestE2EGuideTroubleshootsStorage(t *testing.T) {
	n := remembered(t)
	out := n.Do(t, strings.ReplaceAll(guide(t, "troubleshoot_storage.sh"), "/data", n.Dir))
	for _, want := range []string{"NAME", "Filesystem", "Avail"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	// What the node may take is what it takes and what df says is free; others use the disk, too.
	agrees := fmt.Sprintf(`
free=$(df -B1 --output=avail %s | tail -1)
curl -s http://localhost:7432/metrics | jq -e --argjson free "$free" '.storage.available_bytes as $a | ($a - $free | fabs) < 0.02 * $free and .storage.limit_bytes >= $a'`, n.Dir)
	testenv.Eventually(t, 30*time.Second, "the node counts on what df says is free", func() bool { return n.Shell(t, agrees).Code == 0 })
}
