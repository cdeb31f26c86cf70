package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/agent/config"
)

// The guide's own engram.yaml: the storage and the threading of its two listings.
const guides = `# engram.yaml configuration
storage:
  tier_policy:
    enabled: true

    # Hot tier eviction policy
    hot_tier:
      max_ratio: 0.10              # Never exceed 10% of total nodes
      activation_threshold: 0.3     # Evict if activation < 0.3
      eviction_interval: 60s        # Check every minute

    # Warm tier eviction policy
    warm_tier:
      max_ratio: 0.30              # Never exceed 30% of total nodes
      activation_threshold: 0.1    # Evict if activation < 0.1
      eviction_interval: 300s      # Check every 5 minutes

    # Memory pressure triggers
    memory_pressure:
      high_threshold: 0.80         # Start aggressive eviction at 80%
      critical_threshold: 0.90     # Emergency eviction at 90%
# Configuration in engram.yaml
threading:
  spreading_cores: [0, 1, 2, 3]      # Dedicate cores 0-3 to spreading
  consolidation_cores: [4, 5]         # Dedicate cores 4-5 to consolidation
  api_cores: [6, 7]                   # Dedicate cores 6-7 to API handling

  # Enable thread pinning
  pin_threads: true

  # Prevent thread migration
  cpu_isolation: true
`

func TestParseNodeOfTheGuide(t *testing.T) {
	got, err := config.ParseNode("engram.yaml", []byte(guides))
	if err != nil {
		t.Fatal(err)
	}
	want, err := config.ParseNode("engram.yaml", nil)
	if err != nil {
		t.Fatalf("nothing in it: %v", err)
	}
	want.Threading = config.NodeThreading{
		SpreadingCores: []int{0, 1, 2, 3}, ConsolidationCores: []int{4, 5}, APICores: []int{6, 7}, PinThreads: true, CPUIsolation: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("its numbers are the defaults (-want +got):\n%s", diff)
	}
	if p := got.Storage.TierPolicy.Policy(); p.Hot.MaxRatio != 0.1 || p.Warm.Every != 5*time.Minute || p.Pressure.Critical != 0.9 {
		t.Errorf("as the node takes it: %+v", p)
	}
}

func TestParseNodeFaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "engram.yaml")
	text := "enabled: true\nstorage:\n  tier_polcy: {}\n  wal: {segment_size: 1Mi}\nnuma: {bind: [0, 0]}\nhot_tier_size: lots\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.LoadNode(path)
	if err == nil {
		t.Fatal("no fault")
	}
	want := path + `:1:1: unknown key "enabled"
    1 | enabled: true
      | ^
      = it belongs into agent.yaml, whose node runs inside the agent
` + path + `:3:3: unknown key "tier_polcy"
    3 |   tier_polcy: {}
      |   ^
      = did you mean tier_policy?
` + path + `:4:23: storage.wal.segment_size: 1Mi: want 8Mi to 4Gi
    4 |   wal: {segment_size: 1Mi}
      |                       ^
` + path + `:5:18: numa.bind[1]: 0 is listed twice
    5 | numa: {bind: [0, 0]}
      |                  ^
` + path + `:6:16: hot_tier_size: "lots": want bytes such as 512Mi, 1.5Gi or 16GB
    6 | hot_tier_size: lots
      |                ^`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestHotBytes(t *testing.T) {
	for text, want := range map[string]int64{"auto": 0, "16GB": 16e9, "1Gi": 1 << 30} {
		if got := (config.Node{HotTierSize: text}).HotBytes(); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

// The embedded node is scraped by itself, unless the file says already how.
func TestEmbeddedNodeIsScraped(t *testing.T) {
	node := "version: 1\nnode: {enabled: true}\n"
	own := config.Scrape{Job: "engram", URL: "http://127.0.0.1:7432/metrics"}
	for name, tt := range map[string]struct {
		text string
		want []config.Scrape
	}{
		"by itself":     {node, []config.Scrape{own}},
		"not there":     {"version: 1\n", nil},
		"everywhere":    {node + "listen: {node: '0.0.0.0:7432', insecure: true}\n", []config.Scrape{own}},
		"as a target":   {node + "targets: [{name: n, node: {url: 'http://localhost:7432'}}]\n", []config.Scrape{{Job: "n", URL: "http://localhost:7432/metrics", Target: "n"}}},
		"as an entry":   {node + "metrics: {scrape: [{job: mine, url: 'http://127.0.0.1:7432/metrics'}]}\n", []config.Scrape{{Job: "mine", URL: "http://127.0.0.1:7432/metrics"}}},
		"beside others": {node + "metrics: {scrape: [{job: mine, url: 'http://127.0.0.1:7433/metrics'}]}\n", []config.Scrape{own, {Job: "mine", URL: "http://127.0.0.1:7433/metrics"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, parse(t, tt.text).Metrics.Scrape); diff != "" {
				t.Error(diff)
			}
		})
	}
}
