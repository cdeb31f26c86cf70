package node_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	driver "github.com/engramd/engramd/actuators/node"
	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/threads"
	"github.com/engramd/engramd/policy"
	"github.com/google/go-cmp/cmp"
)

func (w *world) eviction(t *testing.T) api.Eviction {
	t.Helper()
	e, err := w.client.Eviction(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The tiers are owned for a while, held for longer, and given back with what is in force; what somebody else owns is left alone.
func TestOwner(t *testing.T) {
	w := begin(t, node.Options{})
	w.with(t, policy.Size{policy.TiersHotThreshold: policy.Amount(250_000)}) // somebody changed it before us
	for range 2 {
		if err := w.driver.Own(t.Context(), w.target, "engramd@here", time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if e := w.eviction(t); e.Owner != "engramd@here" || time.Until(e.Until) > time.Minute || time.Until(e.Until) < 50*time.Second || e.HotThreshold != 0.25 {
		t.Errorf("%+v", e)
	}
	p := w.planned(t, policy.Size{policy.TiersHotThreshold: policy.Amount(400_000)})
	if err := w.driver.Do(t.Context(), w.target, p.Steps[0]); err != nil {
		t.Fatal(err)
	}
	if e := w.eviction(t); e.HotThreshold != 0.4 || e.Owner != "engramd@here" {
		t.Errorf("a change took the tiers from us: %+v", e)
	}
	if err := w.driver.Undo(t.Context(), w.target, p.Steps[0]); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.driver.Release(t.Context(), w.target); err != nil {
			t.Fatal(err)
		}
	}
	if e := w.eviction(t); e.Owner != "node" || e.HotThreshold != 0.25 || !e.Until.IsZero() {
		t.Errorf("given back, but not as it was: %+v", e)
	}
	if _, err := w.client.ChangeEviction(t.Context(), api.EvictionChange{Owner: "somebody"}); err != nil {
		t.Fatal(err)
	}
	err := w.driver.Own(t.Context(), w.target, "engramd@here", time.Minute)
	if !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "somebody") {
		t.Errorf("somebody else's: %v", err)
	}
	if err := w.driver.Disown(t.Context(), w.target, "engramd@here"); err != nil {
		t.Error(err)
	}
	st, err := w.driver.Observe(t.Context(), w.target)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []policy.Resource{policy.EvictNow, policy.TiersHotThreshold, policy.TiersHotTierSize} {
		if _, err := w.driver.Plan(w.target, st, policy.Size{r: policy.Amount(500_000)}); !errors.Is(err, actuators.ErrRefused) {
			t.Errorf("%s while somebody else looks after the tiers: %v", r, err)
		}
	}
	if e := w.eviction(t); e.Owner != "somebody" {
		t.Errorf("%+v", e)
	}
}

// What a part was told ends with the ownership: it begins another life.
func TestLife(t *testing.T) {
	w := begin(t, node.Options{})
	life := func() string {
		t.Helper()
		st, err := w.driver.Observe(t.Context(), w.target)
		if err != nil {
			t.Fatal(err)
		}
		return st.Parts[0].Life
	}
	own := func(lasts time.Duration) {
		t.Helper()
		if err := w.driver.Own(t.Context(), w.target, "engramd@here", lasts); err != nil {
			t.Fatal(err)
		}
	}
	own(time.Minute)
	first := life()
	own(time.Nanosecond) // over at once
	own(time.Minute)
	if again := life(); again == first {
		t.Errorf("the ownership ended and began anew, and the life is still %s", again)
	}
}

func TestOperations(t *testing.T) {
	w := begin(t, node.Options{Snapshots: node.SnapshotOptions{KeepLast: 1, KeepWeekly: -1, Archive: "file://" + t.TempDir()}})
	if err := w.driver.Own(t.Context(), w.target, "engramd@here", time.Minute); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := w.client.Remember(t.Context(), "", api.NewMemory{Content: "A"}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if _, err := w.client.Snapshot(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []policy.Resource{policy.EvictNow, policy.Compact, policy.Archive, policy.Prune} {
		p := w.planned(t, policy.Size{r: {}})
		for range 2 {
			if err := w.driver.Do(t.Context(), w.target, p.Steps[0]); err != nil {
				t.Errorf("%s: %v", r, err)
			}
		}
		before := w.asked.Load()
		if err := w.driver.Undo(t.Context(), w.target, p.Steps[0]); err != nil || w.asked.Load() != before {
			t.Errorf("undo of %s: %v", r, err)
		}
	}
	if st, err := w.client.Storage(t.Context(), ""); err != nil || st.Distribution.Hot != 9 {
		t.Errorf("%+v: %v, want a tenth less than a tenth hot", st.Distribution, err)
	}
	if s, err := w.client.Snapshots(t.Context(), "", ""); err != nil || len(s.Snapshots) != 1 {
		t.Errorf("%d snapshots are left: %v", len(s.Snapshots), err)
	}
	if n := len(w.planned(t, policy.Size{policy.Archive: {}, policy.Prune: {}}).Steps); n != 2 {
		t.Errorf("%d steps", n)
	}
}

// A space that goes while all are compacted needs no compaction any more.
func TestCompactWithoutASpace(t *testing.T) {
	w := begin(t, node.Options{})
	p := w.planned(t, policy.Size{policy.Compact: {}})
	w.instead(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/api/v1/spaces" {
			return false
		}
		_, _ = rw.Write([]byte(`{"spaces":[{"name":"gone"},{"name":"default"}]}`))
		return true
	})
	if err := w.driver.Do(t.Context(), w.target, p.Steps[0]); err != nil {
		t.Error(err)
	}
}

// The command of a plan is what reaches the node, with its token and by its certificate.
func TestCommand(t *testing.T) {
	w := begin(t, node.Options{})
	st, err := w.driver.Observe(t.Context(), w.target)
	if err != nil {
		t.Fatal(err)
	}
	const path, body = "/api/v1/admin/threading", ` -H 'Content-Type: application/json' -d '{"spreading_workers":3}'`
	for want, s := range map[string]driver.Spec{
		"curl -f -X POST http://node:7432" + path + body: {URL: "http://node:7432"},
		`curl -f -X POST -H "Authorization: Bearer $(cat '/a b/token')" http://node:7432` + path + body: {
			URL: "http://node:7432", TokenFile: "/a b/token",
		},
		"curl -f -X POST --cacert ca.pem --cert c.pem --key k.pem --connect-to engram.example:7432:127.0.0.1:7432 https://engram.example:7432" + path + body: {
			URL: "https://127.0.0.1:7432", CAFile: "ca.pem", CertFile: "c.pem", KeyFile: "k.pem", ServerName: "engram.example",
		},
	} {
		target := w.target
		target.Specs = map[string]any{"node": s}
		p, err := w.driver.Plan(target, st, policy.Size{policy.ThreadsSpreading: policy.Amount(3)})
		if err != nil || p.Command != want {
			t.Errorf("%s\nwant\n%s\n%v", p.Command, want, err)
		}
	}
}

func TestArchiveNeedsABucket(t *testing.T) {
	w := begin(t, node.Options{})
	st, err := w.driver.Observe(t.Context(), w.target)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.driver.Plan(w.target, st, policy.Size{policy.Archive: {}}); !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "storage.snapshots.archive") {
		t.Error(err)
	}
}

// What the node chose by itself is its own choice again after an undo, and cores come and go with workers that are bound to some.
func TestUndoGivesTheChoiceBack(t *testing.T) {
	w := begin(t, node.Options{})
	before, err := w.node.Threading()
	if err != nil {
		t.Fatal(err)
	}
	sizes := []policy.Size{{policy.ThreadsSpreading: policy.Amount(7)}, {policy.ThreadsConsolidation: policy.Amount(3)}, {policy.CPU: policy.Amount(1000)}}
	all := before.Topology.Allowed
	if len(all) > 1 {
		bound := threads.Settings{SpreadingCores: all[:1], PinThreads: true}
		if err := w.node.SetThreading(bound); err != nil {
			t.Fatal(err)
		}
		p := w.planned(t, policy.Size{policy.ThreadsSpreading: policy.Amount(2)})
		if err := w.driver.Do(t.Context(), w.target, p.Steps[0]); err != nil {
			t.Fatal(err)
		}
		if s, err := w.node.Threading(); err != nil || len(s.Settings.SpreadingCores) != 2 || s.Spreading.Workers != 2 {
			t.Errorf("%+v: %v", s.Settings, err)
		}
		if err := w.driver.Undo(t.Context(), w.target, p.Steps[0]); err != nil {
			t.Fatal(err)
		}
		if s, err := w.node.Threading(); err != nil || !cmp.Equal(s.Settings, bound) {
			t.Errorf("%+v: %v, want %+v", s.Settings, err, bound)
		}
		if err := w.node.SetThreading(before.Settings); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range sizes {
		p := w.planned(t, size)
		for _, do := range []error{w.driver.Do(t.Context(), w.target, p.Steps[0]), w.driver.Undo(t.Context(), w.target, p.Steps[0])} {
			if do != nil {
				t.Fatal(do)
			}
		}
		if after, err := w.node.Threading(); err != nil || !cmp.Equal(after.Settings, before.Settings) || after.GOMAXPROCS != before.GOMAXPROCS {
			t.Errorf("%v: %+v, want %+v: %v", size, after.Settings, before.Settings, err)
		}
	}
}

// An older node has no memory limit to set, and so on: that much is not shown, and everything else works.
func TestOlderNode(t *testing.T) {
	w := begin(t, node.Options{})
	w.older()
	st, err := w.driver.Observe(t.Context(), w.target)
	if err != nil {
		t.Fatal(err)
	}
	for r, known := range map[policy.Resource]bool{policy.Memory: false, policy.Retain: false, policy.ThreadsSpreading: true, policy.TiersHotThreshold: true} {
		if _, ok := st.Parts[0].Effective[r]; ok != known {
			t.Errorf("%s is shown: %v", r, ok)
		}
	}
	for _, r := range []policy.Resource{policy.Memory, policy.Retain} {
		if _, err := w.driver.Plan(w.target, st, policy.Size{r: policy.Amount(1 << 40)}); !errors.Is(err, actuators.ErrRefused) {
			t.Errorf("%s: %v", r, err)
		}
	}
}
