package api_test

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/engramd/engramd/node/api"
)

func TestSettings(t *testing.T) {
	w := documented(t)
	bucket := "file://" + t.TempDir()
	for _, c := range []struct {
		path, good, want string
		bad              []string
	}{
		{"storage/wal", `{"retention":"12h"}`, `{"retention":"12h0m0s"}`, []string{
			`{}`, `{"retention":"-1s"}`, `{"retention":"soon"}`, `{"retention":60}`, `{"retention":"900000h"}`, `{"retention":null}`, `{"keep":"1h"}`, `{`, `[]`,
		}},
		{"storage/snapshots/settings", `{"keep_last":3,"archive":"` + bucket + `"}`, `{"keep_last":3,"keep_weekly":4,"archive":"` + bucket + `"}`, []string{
			`{"keep_last":0}`, `{"keep_last":-1}`, `{"keep_weekly":-1}`, `{"keep_last":2.5}`, `{"keep_last":"all"}`, `{"archive":"mars://x"}`, `{"archive":"/tmp"}`, `{"keep":1}`, `null x`,
		}},
		{"consolidation/settings", `{"every":"1m"}`, `{"every":"1m0s"}`, []string{
			`{}`, `{"every":"0s"}`, `{"every":"10ms"}`, `{"every":"900000h"}`, `{"every":5}`, `{"each":"1m"}`,
		}},
	} {
		at := "/api/v1/admin/" + c.path
		if a := w.must(http.StatusOK, "POST", at, c.good); strings.TrimSpace(a.body) != c.want {
			t.Errorf("%s: %s, want %s", c.path, a.body, c.want)
		}
		for _, body := range c.bad {
			w.must(http.StatusBadRequest, "POST", at, body)
		}
		if a := w.must(http.StatusOK, "GET", at, ""); strings.TrimSpace(a.body) != c.want {
			t.Errorf("%s: a refused change changed something: %s, want %s", c.path, a.body, c.want)
		}
	}
	if k := w.node.SnapshotKeep(); k.Last != 3 || k.Archive != bucket {
		t.Errorf("%+v", k)
	}
	w.must(http.StatusOK, "POST", "/api/v1/admin/storage/snapshots/archive", "") // to the bucket that was set
	if every := w.node.ConsolidateEvery(); every.Minutes() != 1 {
		t.Errorf("consolidated every %s", every)
	}
}

// Of two changes at once each keeps what the other one has set.
func TestSettingsAtOnce(t *testing.T) {
	w := begin(t, api.Options{})
	for round := 1; round <= 100; round++ {
		var both sync.WaitGroup
		for name, path := range map[string]string{
			"spreading_workers": "threading", "consolidation_workers": "threading",
			"keep_last": "storage/snapshots/settings", "keep_weekly": "storage/snapshots/settings",
		} {
			both.Go(func() {
				body := fmt.Sprintf(`{"%s":%d}`, name, 1+round%3)
				resp, err := http.Post(w.url+"/api/v1/admin/"+path, "application/json", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("%s %s: %s", path, body, resp.Status)
				}
			})
		}
		both.Wait()
		st, err := w.node.Threading()
		if s, k := st.Settings, w.node.SnapshotKeep(); err != nil || s.SpreadingWorkers != s.ConsolidationWorkers || k.Last != k.Weekly {
			t.Fatalf("round %d: %+v, %+v: %v", round, s, k, err)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	w := documented(t)
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	const at = "/api/v1/admin/memory"
	for _, body := range []string{`{"limit_bytes":8589934592}`, `{"limit_bytes":null}`, `{"limit_bytes":4294967296}`} {
		if a := w.must(http.StatusOK, "POST", at, body); strings.TrimSpace(a.body) != body {
			t.Errorf("%s, want %s", a.body, body)
		}
	}
	for _, body := range []string{`{}`, `{"limit_bytes":0}`, `{"limit_bytes":-1}`, `{"limit_bytes":1048576}`, `{"limit_bytes":"4Gi"}`, `{"limit_bytes":1.5}`, `{"bytes":1}`, `{"limit_bytes":{}}`} {
		w.must(http.StatusBadRequest, "POST", at, body)
	}
	if a := w.must(http.StatusOK, "GET", at, ""); strings.TrimSpace(a.body) != `{"limit_bytes":4294967296}` {
		t.Error(a.body)
	}
	if limit := debug.SetMemoryLimit(-1); limit != 4<<30 {
		t.Errorf("the limit is %d", limit)
	}
}

// An eviction may leave more room than the settings want.
func TestEvictDownTo(t *testing.T) {
	w := documented(t)
	const at = "/api/v1/admin/storage/"
	w.must(http.StatusOK, "POST", at+"eviction", `{"owner":"engramd","ttl":"10m"}`)
	for range 100 {
		w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"content":"A"}`)
	}
	hot := func() int64 {
		return read[api.Storage](t, w.must(http.StatusOK, "GET", at+"stats", "")).Distribution.Hot
	}
	if n := hot(); n != 100 {
		t.Errorf("%d are hot while somebody else looks after the ratio, want all", n)
	}
	for _, body := range []string{`{"hot_max_ratio":-0.1}`, `{"hot_max_ratio":1.1}`, `{"hot_max_ratio":"x"}`, `{"hot_max_ratio":0.5,"ids":["a"]}`} {
		w.must(http.StatusBadRequest, "POST", at+"evict-now", body)
	}
	w.must(http.StatusOK, "POST", at+"evict-now", `{"hot_max_ratio":0.05}`)
	if n := hot(); n != 5 {
		t.Errorf("%d are hot, want 5", n)
	}
	w.must(http.StatusOK, "POST", at+"eviction", `{"owner":"node"}`)
	for range 100 {
		w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"content":"A"}`)
	}
	if n := hot(); n > 20 {
		t.Errorf("%d of 200 are hot while the node looks after the ratio", n)
	}
}
