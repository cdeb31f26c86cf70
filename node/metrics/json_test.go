package metrics_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node/metrics"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata anew")

// TestJSON compares the whole document with testdata/full.json, and that of a node of which nothing is known with empty.json.
func TestJSON(t *testing.T) {
	for name, w := range map[string]*world{"full": busy(t), "empty": empty(t)} {
		var b bytes.Buffer
		if err := w.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		got := steady(b.String())
		path := "testdata/" + name + ".json"
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func empty(t *testing.T) *world {
	w := newWorld(t, nil)
	w.state = metrics.State{}
	return w
}

// steady takes out what differs from machine to machine: the free room of the disk, and directories.
func steady(s string) string {
	for _, re := range []string{
		`("(?:available_bytes|limit_bytes|usage_percent|engram_storage_limit_bytes)": )\d[\d.e-]*`,
		`("(?:other|base|snapshots|wal|vectors)": )\d+`,
		`(engram_storage_usage_bytes\{tier=\\"(?:other|base|snapshots|wal|vectors)\\"\}": )\d+`,
	} {
		s = regexp.MustCompile(re).ReplaceAllString(s, "${1}1")
	}
	return s
}

// TestGuideCommands runs the jq paths and the grep of the guide.
func TestGuideCommands(t *testing.T) {
	w := busy(t)
	text := w.get("/metrics", "*/*").Body.String()
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, c := range []struct {
		path string
		want func(any) bool
	}{
		{".cpu.utilization_percent", is(50)},
		{".memory.usage_percent", is(25)},
		{".latency.p99_ms", func(v any) bool { f, ok := v.(float64); return ok && f > 6 && f < 8 }},
		{".spreading.queue_depth", is(7)},
		{".errors.rate_per_sec", is(2.0 / 60)},
		{".errors.percentage", is(1)},
		{".memory.hot_tier_bytes", is(10 * mib)},
		{".eviction", func(v any) bool { m, ok := v.(map[string]any); return ok && m["hot_threshold"] == 0.3 }},
	} {
		if got := jq(doc, c.path); !c.want(got) {
			t.Errorf("%s is %v", c.path, got)
		}
	}
	var found []string
	for line := range strings.Lines(text) {
		if regexp.MustCompile("cpu_utilization|memory_usage").MatchString(line) {
			found = append(found, line)
		}
	}
	if len(found) != 7 || !strings.Contains(found[0], `"engram_cpu_utilization_percent{core=\"all\"}": 50`) {
		t.Errorf("grep finds %q", found)
	}
	if path, err := exec.LookPath("jq"); err == nil {
		cmd := exec.CommandContext(t.Context(), path, ".cpu.utilization_percent")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "50" {
			t.Errorf("jq: %s, %v", out, err)
		}
	}
}

func is(want float64) func(any) bool {
	return func(v any) bool { f, ok := v.(float64); return ok && f-want < 1e-9 && want-f < 1e-9 }
}

// jq follows a path.
func jq(doc any, path string) any {
	for name := range strings.SplitSeq(strings.TrimPrefix(path, "."), ".") {
		m, ok := doc.(map[string]any)
		if !ok {
			return nil
		}
		doc = m[name]
	}
	return doc
}

// TestUnknownIsNull has null where nothing is known, and says why.
func TestUnknownIsNull(t *testing.T) {
	w := newWorld(t, map[string]string{"sys/fs/cgroup/cpu.max": "much 100000\n"})
	w.state = metrics.State{}
	w.pass(time.Minute)
	var doc map[string]any
	if err := json.Unmarshal(w.get("/metrics", "").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		".cpu.utilization_percent", ".cpu.limit_cores", ".memory.usage_percent", ".memory.hot_tier_bytes", ".latency.p99_ms",
		".spreading", ".errors.percentage", ".eviction", ".storage.iops_utilized_percent", ".storage.wal_bytes", ".storage.snapshots",
	} {
		if got := jq(doc, path); got != nil {
			t.Errorf("%s is %v", path, got)
		}
	}
	if why, _ := jq(doc, ".unknown.cpu_limit").(string); !strings.Contains(why, `quota "much"`) {
		t.Errorf("unknown: %v", doc["unknown"])
	}
	if got := jq(doc, ".errors.rate_per_sec"); got != 0.0 {
		t.Errorf("nothing failed, and the rate is %v", got)
	}
}
