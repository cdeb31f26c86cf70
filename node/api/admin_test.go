package api_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/engramd/engramd/node/api"
)

func TestMaintenance(t *testing.T) {
	w := documented(t)
	const at = "/api/v1/admin/maintenance"
	m := read[api.Maintenance](t, w.must(http.StatusOK, "POST", at+"/enable", "")) // as the guide does it
	if !m.Enabled || m.Owner != "operator" || !m.Until.IsZero() {
		t.Errorf("%+v", m)
	}
	w.must(http.StatusOK, "POST", at+"/disable", "")
	m = read[api.Maintenance](t, w.must(http.StatusOK, "POST", at+"/enable", `{"owner":"engramd","ttl":"10m","reason":"resize"}`))
	if m.Owner != "engramd" || m.Until.IsZero() || m.InFlightWrites != 0 {
		t.Errorf("%+v", m)
	}
	w.must(http.StatusConflict, "POST", at+"/disable", "")
	w.must(http.StatusConflict, "POST", at+"/disable", `{"owner":"other"}`)
	w.must(http.StatusOK, "POST", at+"/enable", `{"owner":"other"}`)
	if m = read[api.Maintenance](t, w.must(http.StatusOK, "POST", at+"/disable", `{"owner":"engramd"}`)); !m.Enabled || m.Owner != "other" {
		t.Errorf("%+v", m)
	}
	for _, r := range [][3]string{
		{"POST", "/api/v1/memories/remember", `{"content":"x"}`}, {"PATCH", "/api/v1/memories/a", `{"content":"x"}`}, {"DELETE", "/api/v1/memories/a", ""},
		{"POST", "/api/v1/links", `{"from":"a","to":"b"}`}, {"DELETE", "/api/v1/memories?tags=x", ""}, {"POST", "/api/v1/spaces", `{"name":"x"}`},
	} {
		if a := w.must(http.StatusServiceUnavailable, r[0], r[1], r[2]); !strings.Contains(a.body, "problem:maintenance") {
			t.Error(r, a.body)
		}
	}
	w.must(http.StatusOK, "GET", "/health", "")
	w.must(http.StatusOK, "POST", at+"/disable", `{"force":true}`)
	w.must(http.StatusOK, "POST", at+"/disable", "")
	for _, body := range []string{`{"ttl":"-1s"}`, `{"ttl":"soon"}`, `{"ttl":60}`, `{"owner":"a\u0007"}`, `{"who":"x"}`, `{"owner":"` + strings.Repeat("x", 201) + `"}`, `null x`} {
		w.must(http.StatusBadRequest, "POST", at+"/enable", body)
	}
	if read[api.Maintenance](t, w.must(http.StatusOK, "GET", at, "")).Enabled {
		t.Error("a refused request switched it on")
	}
}

func TestEviction(t *testing.T) {
	w := documented(t)
	const at = "/api/v1/admin/storage/eviction"
	w.doc = nil // comments are no JSON
	guide := "{\n    \"hot_threshold\": 0.2,    # Evict to warm if activation < 0.2 (was 0.3)\n    \"warm_threshold\": 0.05   # Evict to cold if \"activation\" < 0.05 (was 0.1)\n  }"
	e := read[api.Eviction](t, w.must(http.StatusOK, "POST", at, guide))
	if e.HotThreshold != 0.2 || e.WarmThreshold != 0.05 || e.HotMaxRatio != 0.1 || e.Owner != "node" {
		t.Errorf("%+v", e)
	}
	w.doc = w.check()
	e = read[api.Eviction](t, w.must(http.StatusOK, "POST", at, `{"owner":"engramd","ttl":"10m","hot_interval":"30s","hot_bytes":1048576}`))
	if e.Owner != "engramd" || e.Until.IsZero() || e.HotInterval.String() != "30s" || e.HotBytes != 1<<20 {
		t.Errorf("%+v", e)
	}
	if got := read[api.Eviction](t, w.must(http.StatusOK, "GET", at, "")); got != e {
		t.Errorf("%+v, want %+v", got, e)
	}
	w.must(http.StatusConflict, "POST", at, `{"owner":"other","ttl":"1m"}`)
	for _, body := range []string{`{"hot_threshold":2}`, `{"hot_threshold":-0.1}`, `{"hot_threshold":"x"}`, `{"warm_interval":"0s"}`, `{"hot_treshold":0.2}`, `{"hot_threshold":0.2`, ``, `# only a comment`} {
		if a := w.ask("POST", at, body, "Content-Type", "application/json"); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if got := read[api.Eviction](t, w.must(http.StatusOK, "GET", at, "")); got != e {
		t.Errorf("a refused change changed something: %+v, want %+v", got, e)
	}
	w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"id":"a","content":"A"}`)
	w.must(http.StatusOK, "POST", "/api/v1/admin/storage/evict-now", "")
	w.must(http.StatusOK, "POST", "/api/v1/admin/storage/evict-now", `{"ids":["a"],"to":"warm"}`)
	w.must(http.StatusNotFound, "POST", "/api/v1/admin/storage/evict-now", `{"ids":["b"]}`)
	w.must(http.StatusBadRequest, "POST", "/api/v1/admin/storage/evict-now", `{"ids":["a"],"to":"tepid"}`)
}

func TestStorageStats(t *testing.T) {
	w := documented(t)
	for range 3 {
		w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"content":"A"}`)
	}
	for _, path := range []string{"/api/v1/admin/storage/stats", "/api/v1/admin/storage/stats?space=default"} {
		s := read[api.Storage](t, w.must(http.StatusOK, "GET", path, ""))
		d := s.Distribution
		if d.Total != 3 || d.Hot+d.Warm+d.Cold != 3 || s.IndexBytes <= 0 || s.Owner != "node" || len(s.Histogram) == 0 || len(s.Spaces) != 1 || s.Spaces[0].Memories != 3 {
			t.Errorf("%s: %+v", path, s)
		}
	}
	w.must(http.StatusNotFound, "GET", "/api/v1/admin/storage/stats?space=none", "")
}

// TestGuide runs the guide's own pipes, where jq and curl are there.
func TestGuide(t *testing.T) {
	for _, tool := range []string{"curl", "jq", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not here", tool)
		}
	}
	w := begin(t, api.Options{})
	w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"content":"A"}`)
	script := `set -e -o pipefail
curl -s http://localhost:7432/api/v1/admin/storage/stats | jq -c '.tier_distribution'
curl -s -f -X POST http://localhost:7432/api/v1/admin/storage/eviction \
  -H "Content-Type: application/json" \
  -d '{
    "hot_threshold": 0.2,    # Evict to warm if activation < 0.2 (was 0.3)
    "warm_threshold": 0.05   # Evict to cold if activation < 0.05 (was 0.1)
  }' | jq .hot_threshold
curl -s -f -X POST http://localhost:7432/api/v1/admin/storage/evict-now | jq .hot_to_warm
curl -s http://localhost:7432/api/v1/admin/storage/stats | jq '.tier_distribution.hot / .tier_distribution.total'
curl -s http://localhost:7432/api/v1/admin/storage/stats | jq -c '.activation_histogram | length > 0'
curl -s -f -X POST http://localhost:7432/api/v1/admin/maintenance/enable | jq .enabled
curl -f -s http://localhost:7432/health | jq -r .status
curl -s -f -X POST http://localhost:7432/api/v1/admin/maintenance/disable | jq .enabled
`
	file := filepath.Join(t.TempDir(), "guide.sh")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(script, "http://localhost:7432", w.url)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "bash", file).Output()
	want := "{\"hot\":0,\"warm\":1,\"cold\":0,\"total\":1}\n0.2\n0\n0\ntrue\ntrue\nmaintenance\nfalse\n"
	if got := string(out); err != nil || got != want && got != strings.Replace(want, `"hot":0,"warm":1`, `"hot":1,"warm":0`, 1) {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}

func TestWork(t *testing.T) {
	w := documented(t)
	w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"id":"a","content":"A"}`)
	w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"id":"b","content":"A"}`)
	c := read[api.Compacted](t, w.must(http.StatusOK, "POST", "/api/v1/admin/storage/compact", ""))
	if c.Space != "default" || c.AfterBytes <= 0 {
		t.Errorf("%+v", c)
	}
	w.must(http.StatusNotFound, "POST", "/api/v1/admin/storage/compact?space=none", "")
	for i, v := range []string{"[1,2]", "[1,2.0001]"} {
		w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", fmt.Sprintf(`{"id":"near%d","content":"near %d","vector":%s}`, i, i, v))
	}
	r := read[api.ConsolidationReport](t, w.must(http.StatusOK, "POST", "/api/v1/admin/consolidation", ""))
	if r.Merged != 1 || len(r.Near) != 1 || r.Near[0].ID != "near0" || r.Near[0].Other != "near1" {
		t.Errorf("%+v", r)
	}
	if s := read[api.Consolidation](t, w.must(http.StatusOK, "GET", "/api/v1/admin/consolidation", "")); s.Merged != 1 || s.Rounds == 0 {
		t.Errorf("%+v", s)
	}
	before := w.must(http.StatusOK, "GET", "/api/v1/admin/threading", "")
	if !strings.Contains(before.body, `"topology"`) {
		t.Error(before.body)
	}
	after := w.must(http.StatusOK, "POST", "/api/v1/admin/threading", `{"spreading_workers":3}`)
	if !strings.Contains(after.body, `"spreading_workers":3`) {
		t.Error(after.body)
	}
	for _, body := range []string{`{"spreading_cores":[100000]}`, `{"spreading_workers":-1}`, `{"cpu_isolation":true,"pin_threads":false}`, `{"spreading_core":[0]}`} {
		w.must(http.StatusBadRequest, "POST", "/api/v1/admin/threading", body)
	}
}
