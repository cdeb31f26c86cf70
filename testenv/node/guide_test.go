package node_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/node"
)

// The scripts of testdata are the guide's, byte for byte (commands.sh: single lines of its listings, without the docker exec
// around them). Only the port is rewritten.
func guide(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// remembered is a node with some memories, links and spreads.
func remembered(t *testing.T) *node.Node {
	t.Helper()
	testenv.Need(t, "node")
	n := node.Start(t)
	for i := range 20 {
		n.Do(t, fmt.Sprintf(`curl -sf http://localhost:7432/api/v1/memories/remember -H "Content-Type: application/json" -d '{"id": "m%d", "content": "memory %d"}'`, i, i))
	}
	n.Do(t, `curl -sf http://localhost:7432/api/v1/links -H "Content-Type: application/json" -d '{"edges": [{"from": "m0", "to": "m1", "weight": 0.9}, {"from": "m1", "to": "m2", "weight": 0.8}]}'`)
	n.Do(t, `curl -sf http://localhost:7432/api/v1/memories/recall -H "Content-Type: application/json" -d '{"seeds": ["m0", "m3", "m4", "m5", "m6", "m7"]}'`)
	testenv.Eventually(t, 10*time.Second, "what was recalled is hot", func() bool {
		return n.Shell(t, `curl -s http://localhost:7432/api/v1/admin/storage/stats | jq -e '.tier_distribution.hot > 0'`).Code == 0
	})
	n.Do(t, `curl -sf http://localhost:7432/api/v1/spread -H "Content-Type: application/json" -d '{"seeds": [{"id": "m0"}]}'`)
	return n
}

func TestE2EGuideRebalances(t *testing.T) {
	n := remembered(t)
	out := n.Do(t, guide(t, "rebalance.sh"))
	type distribution struct{ Hot, Warm, Cold, Total int }
	decoder := json.NewDecoder(strings.NewReader(out))
	var got []map[string]any
	var bytes float64
	for decoder.More() {
		var v any
		if err := decoder.Decode(&v); err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
		switch v := v.(type) {
		case map[string]any:
			got = append(got, v)
		case float64:
			bytes = v
		default:
			t.Errorf("%v is no answer of the script:\n%s", v, out)
		}
	}
	var tiers []distribution
	for _, v := range got {
		if _, ok := v["hot"]; ok {
			text, _ := json.Marshal(v)
			var d distribution
			if err := json.Unmarshal(text, &d); err != nil {
				t.Fatal(err)
			}
			tiers = append(tiers, d)
		}
	}
	if len(tiers) < 2 {
		t.Fatalf("the tiers are shown %d times, before and after:\n%s", len(tiers), out)
	}
	for _, d := range tiers {
		if d.Hot+d.Warm+d.Cold != 20 || d.Total != 20 {
			t.Errorf("%+v does not sum to 20", d)
		}
	}
	if last := tiers[len(tiers)-1]; last.Hot > 2 {
		t.Errorf("after the sweep %d of 20 are hot: more than 10%%", last.Hot)
	}
	settings := n.Do(t, `curl -s http://localhost:7432/api/v1/admin/storage/eviction | jq -c '[.hot_threshold, .warm_threshold]'`)
	if strings.TrimSpace(settings) != "[0.2,0.05]" {
		t.Errorf("the thresholds are %s", settings)
	}
	t.Logf("hot_tier_bytes %v; the script printed:\n%s", bytes, out)
}

func TestE2EGuideChecklist(t *testing.T) {
	n := remembered(t)
	out := n.Do(t, guide(t, "checklist.sh"))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	values := map[string]float64{}
	for i, line := range lines {
		if !strings.HasSuffix(line, ":") || i+1 == len(lines) {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(lines[i+1]), 64)
		if err != nil {
			t.Errorf("%s %q is no number", line, lines[i+1])
			continue
		}
		values[line[:strings.Index(line, " (")]] = value
	}
	for what, below := range map[string]float64{
		"CPU Utilization": 1000, "Memory Usage": 80, "P99 Latency": 1000, "Spreading Queue Depth": 50, "Error Rate": 1, "Hot Tier Ratio": 1.01,
	} {
		if v, ok := values[what]; !ok || v < 0 || v >= below {
			t.Errorf("%s: %v (%v)", what, v, ok)
		}
	}
	if values["P99 Latency"] == 0 {
		t.Error("a spread took no time at all")
	}
	t.Logf("the checklist printed:\n%s", out)
}

func TestE2EGuideCommands(t *testing.T) {
	n := remembered(t)
	commands := strings.Split(strings.TrimSpace(guide(t, "commands.sh")), "\n")
	healthy, grep, enable, wait, disable := commands[0], commands[1], commands[2], commands[3], commands[4]
	if out := n.Do(t, healthy); strings.Contains(out, "failed") {
		t.Errorf("%s:\n%s", healthy, out)
	}
	out := n.Do(t, grep)
	for _, want := range []string{`cpu_utilization[a-z_]*[^0-9]*[0-9.]+`, `memory_usage[a-z_]*[^0-9]*[0-9.]+`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s shows no number for %s:\n%s", grep, want, out)
		}
	}
	remember := `curl -s -o /dev/null -w '%{http_code} %header{retry-after}' http://localhost:7432/api/v1/memories/remember -H "Content-Type: application/json" -d '{"content": "x"}'`
	n.Do(t, enable)
	if out := n.Do(t, remember); !regexp.MustCompile(`^503 [1-9]`).MatchString(out) {
		t.Errorf("a write in maintenance mode: %s", out)
	}
	if out := n.Do(t, `curl -sf http://localhost:7432/api/v1/memories/m1 | jq -r .content`); strings.TrimSpace(out) != "memory 1" {
		t.Errorf("a read in maintenance mode: %s", out)
	}
	n.Do(t, healthy)
	// As a scaling does it: the node is another process, and still in maintenance mode.
	n.Stop(t)
	n.Start(t)
	n.Do(t, wait)
	if out := n.Do(t, remember); !strings.HasPrefix(out, "503 ") {
		t.Errorf("a write in maintenance mode, after a restart: %s", out)
	}
	n.Do(t, disable)
	if out := n.Do(t, remember); !strings.HasPrefix(out, "201") {
		t.Errorf("a write after maintenance mode: %s", out)
	}
}

func TestE2EGuideEviction(t *testing.T) {
	n := remembered(t)
	out := n.Do(t, guide(t, "eviction.sh"))
	if strings.Contains(out, "null") {
		t.Errorf("something of it is not there:\n%s", out)
	}
	n.Do(t, `curl -s http://localhost:7432/api/v1/admin/storage/stats | jq -e '[.activation_histogram[].count] | add == 20'`)
	t.Logf("it printed:\n%s", out)
}

// Prometheus' own tool finds nothing to complain of, but a name that the guide chose: milliseconds are no base unit.
func TestE2EMetricsArePrometheus(t *testing.T) {
	n := remembered(t)
	out := n.Do(t, `curl -sf -H "Accept: text/plain" http://localhost:7432/metrics | tee metrics.txt | promtool check metrics 2>&1 | grep -v '^engram_p99_latency_ms '; grep -c ^engram_ metrics.txt`)
	if strings.Count(strings.TrimSpace(out), "\n") > 0 {
		t.Errorf("promtool check metrics:\n%s", out)
	}
	for _, name := range []string{
		`engram_cpu_utilization_percent\{core="all"\}`, `engram_spreading_queue_depth`, `engram_consolidation_lag_seconds`,
		`engram_p99_latency_ms\{operation="spreading"\}`, `engram_memory_usage_bytes\{tier="hot"\}`, `engram_memory_limit_bytes`,
		`engram_eviction_rate\{from_tier="hot",to_tier="warm"\}`, `engram_allocation_failures_total`, `engram_hot_tier_ratio`,
		`engram_storage_usage_bytes\{tier="[a-z]+"\}`, `engram_storage_limit_bytes`, `engram_wal_size_bytes`,
		`engram_compaction_pending_segments`, `engram_cpu_limit_cores`,
	} {
		if r := n.Shell(t, fmt.Sprintf(`grep -E '^%s' metrics.txt`, name)); r.Code != 0 {
			t.Errorf("there is no %s", name)
		}
	}
}

// The embedded twin of engramd node serve is engram-server.
func TestE2EEngramServer(t *testing.T) {
	testenv.Need(t, "node")
	n := node.Start(t)
	n.Do(t, `ln -s "$(readlink -f "$(command -v engramd)")" engram-server`)
	port := testenv.Port(t)
	out := n.Do(t, fmt.Sprintf(`
cat > engram.yaml <<EOF
storage:
  tier_policy:
    hot_tier: {max_ratio: 0.05}
EOF
./engram-server --hot-tier-size=16MB --numa-aware=true --config engram.yaml --data-dir other --listen 127.0.0.1:%[1]d > server.out 2> server.err &
for i in $(seq 200); do curl -sf http://localhost:%[1]d/health > /dev/null && break; sleep 0.05; done
curl -s http://localhost:%[1]d/api/v1/admin/storage/eviction | jq '.hot_max_ratio'
kill $!; wait $!; echo "exit code $?"; cat server.out`, port))
	for _, want := range []string{"0.05", "exit code 0", "memories 0, spaces 1"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}
