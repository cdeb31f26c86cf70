package nodeloop_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/loop"
	"github.com/engramd/engramd/testenv/nodeloop"
)

// triggers are the guide's, at sizes that a test reaches. The log's waits for longer than the 30 s from one checkpoint to the next, as the preset's 5 minutes do: before
// a checkpoint there is nothing that a shorter retention lets go of.
const triggers = `
mode: auto
metrics: {interval: 1s}
validation: {settle: 1s, duration: 8s, every: 1s, effect: {checks: 3, none: rollback}}
safety: {cooldown: {up: 5s, down: 5s}, budget: {per_hour: 100, per_day: -1, emergencies_per_day: -1}, retry_after: 5s}
targets:
  - name: memory
    node: {url: "{{.node}}"}
policies:
  - name: wal
    target: memory
    matrix:
      signals: {wal: "sum(engram_wal_size_bytes{target=\"$target\"})"}
      rows:
        - {when: {wal: "< 60MB"}, do: none}
        - {when: {wal: ">= 60MB"}, for: 33s, do: scale, change: {storage: {retain: 2s}}}
  - name: compaction
    target: memory
    matrix:
      signals: {base: "sum(engram_storage_usage_bytes{target=\"$target\",tier=\"base\"})"}
      rows:
        - {when: {base: "< 8MB"}, do: none}
        - {when: {base: ">= 8MB"}, for: 2s, do: scale, change: {storage: {compact: true}}}
  - name: snapshots
    target: memory
    matrix:
      signals: {snapshots: "max(engram_snapshot_count{target=\"$target\"})"}
      rows:
        - {when: {snapshots: "< 4"}, do: none}
        - {when: {snapshots: ">= 4"}, for: 2s, do: scale, change: {storage: {archive: true, prune: true}}}
`

// A model is what a node has acknowledged.
type model struct {
	mu   sync.Mutex
	said map[string]string // content by id
}

func (m *model) set(id, content string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said[id] = content
}

// remember has the node remember one, and keeps what was acknowledged.
func (m *model) remember(client *http.Client, url, id, content string) error {
	body := fmt.Sprintf(`{"id":%q,"content":%q}`, id, content)
	resp, err := client.Post(url+"/api/v1/memories/remember", "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("remember %s: %s", id, resp.Status)
	}
	m.set(id, content)
	return nil
}

// holds wants the node to have just what was acknowledged. What was never answered may be there.
func (m *model) holds(t *testing.T, url, when string) {
	t.Helper()
	resp, err := http.Get(url + "/api/v1/memories/export")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	has := map[string]string{}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct{ ID, Content string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if line.ID != "" {
			has[line.ID] = line.Content
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	lost := 0
	for id, content := range m.said {
		if has[id] != content {
			if lost++; lost < 5 {
				t.Errorf("%s: %s is %.40q, acknowledged was %.40q", when, id, has[id], content)
			}
		}
	}
	if lost > 0 || len(m.said) == 0 {
		t.Errorf("%s: %d of %d acknowledged memories are lost", when, lost, len(m.said))
	}
}

// The guide's triggers fire on real data and clean up, and nothing that was acknowledged is lost: neither meanwhile nor over a crash.
func TestE2EStorageTriggers(t *testing.T) {
	testenv.Need(t, "node")
	t.Parallel()
	bucket := t.TempDir()
	a := nodeloop.With(t, fmt.Sprintf(`  storage:
    wal: {segment_size: 8Mi, retention: 1d}
    snapshots: {keep_last: 2, keep_weekly: 1, archive: "file://%s"}
`, bucket), triggers)
	testenv.Eventually(t, testenv.Patience(20*time.Second), "the node answers", func() bool {
		resp, err := http.Get(a.URL + "/health")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	m := &model{said: map[string]string{}}
	m.fill(t, a)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- m.talk(a.URL, stop) }()
	for range 6 {
		a.Do(t, "node", "snapshot", "create", "--url", a.URL)
	}
	ends := func(resource, from, to string) {
		t.Helper()
		a.Await(t, testenv.Patience(90*time.Second), resource+" is committed", func(x loop.Action) bool {
			return x.Resource == resource && x.State == "committed" && (to == "" || string(x.To) == to && string(x.From) == from)
		})
	}
	ends("storage.archive", "", "")
	ends("storage.prune", "", "")
	ends("storage.retain", "86400", "2")
	ends("storage.compact", "", "")
	if n := nodeloop.Get[nodeloop.Storage](t, a.URL, "storage/stats").WAL.DiskBytes; n >= 60e6 {
		t.Errorf("the log still has %d bytes", n)
	}
	if n := count(t, filepath.Join(a.Dir, "node", "snapshots")); n > 3 {
		t.Errorf("%d snapshots are left", n)
	}
	if n := count(t, bucket); n < 6 {
		t.Errorf("the archive has %d entries of 6 snapshots", n)
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
	m.holds(t, a.URL, "after it was cleaned up")
	a.Kill(t)
	a.Start(t)
	m.holds(t, a.URL, "after a crash")
	if kept := nodeloop.Shell(t, "curl -sf "+a.URL+"/api/v1/admin/storage/wal | jq -r .retention"); kept != "24h0m0s" {
		t.Errorf("after a restart the log is kept for %s, not as configured", kept)
	}
}

// fill imports enough to reach every threshold, and deletes half of it again, so that there is something to compact.
func (m *model) fill(t *testing.T, a *nodeloop.Agent) {
	t.Helper()
	const all, text = 60_000, 900
	name := filepath.Join(t.TempDir(), "fill.ndjson")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range all {
		id, tag := fmt.Sprintf("f%05d", i), "gone"
		content := fmt.Sprintf("%d %x", i, strings.Repeat(id, text/12))
		if i%4 == 0 {
			tag = "stays"
			m.set(id, content)
		}
		fmt.Fprintf(w, "{\"id\":%q,\"content\":%q,\"tags\":[%q]}\n", id, content, tag)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	a.Do(t, "node", "import", "--url", a.URL, name)
	for n := 1; n > 0; {
		r, err := http.NewRequest(http.MethodDelete, a.URL+"/api/v1/memories?tags=gone", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var deleted struct{ Deleted int }
		if err := json.NewDecoder(resp.Body).Decode(&deleted); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("delete: %s: %v", resp.Status, err)
		}
		resp.Body.Close()
		n = deleted.Deleted
	}
}

// talk remembers one after another until it is told to stop. It takes its time: between two checkpoints it must not write more than the trigger lets stand.
func (m *model) talk(url string, stop <-chan struct{}) error {
	client := &http.Client{Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return nil
		case <-pace.C:
		}
		if err := m.remember(client, url, fmt.Sprintf("t%06d", i), fmt.Sprintf("said as number %d", i)); err != nil {
			return err
		}
	}
}

// count is how many snapshots a directory has.
func count(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
