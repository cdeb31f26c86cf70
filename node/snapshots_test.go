package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/spread"
	"github.com/engramd/engramd/node/store"
	"github.com/google/go-cmp/cmp"
)

// everything returns all that a space says: its memories, edges and some spreads, a line each.
func everything(t testing.TB, n *node.Node, space string) []string {
	t.Helper()
	var lines []string
	note := func(kind string, v any, err error) {
		b, jsonErr := json.Marshal(v)
		if err := errors.Join(err, jsonErr); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		lines = append(lines, kind+" "+string(b))
	}
	var ids []string
	for cursor := uint64(0); ; {
		ms, next, err := n.List(t.Context(), space, cursor, 70, nil)
		for _, m := range ms {
			note("memory", m, err)
			ids = append(ids, m.ID)
		}
		if cursor = next; cursor == 0 {
			break
		}
	}
	for i, id := range ids {
		out, in, err := n.Edges(t.Context(), space, id)
		note("out", out, err)
		note("in", in, err)
		if i%50 == 0 {
			s, err := n.Spread(t.Context(), space, []node.Seed{{ID: id, Activation: 1}}, spread.Defaults())
			note("spread", s, err)
		}
	}
	return lines
}

// plant remembers n memories with vectors and edges.
func plant(t testing.TB, n *node.Node, space string, count int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	ms := make([]node.Memory, count)
	for i := range ms {
		ms[i] = node.Memory{ID: fmt.Sprintf("m%d", i), Content: fmt.Sprintf("content %d", i), Tags: []string{"x"}, CreatedAt: time.UnixMilli(int64(i)).UTC()}
		if i%3 > 0 {
			ms[i].Vector = []float32{float32(i), 1, rng.Float32()}
		}
	}
	if _, err := n.RememberAll(t.Context(), space, ms); err != nil {
		t.Fatal(err)
	}
	var edges []node.Edge
	for range 6 * count {
		w, err := record.NewWeight(0.1+rng.Float64()*0.9, rng.IntN(9) == 0)
		if err != nil {
			t.Fatal(err)
		}
		from, to := rng.IntN(count), rng.IntN(count)
		if from != to {
			edges = append(edges, node.Edge{From: fmt.Sprintf("m%d", from), To: fmt.Sprintf("m%d", to), Weight: w})
		}
	}
	if errs, err := n.Link(t.Context(), space, edges); err != nil || errors.Join(errs...) != nil {
		t.Fatal(err, errs)
	}
}

// spoil changes a space.
func spoil(t testing.TB, n *node.Node, space string) {
	t.Helper()
	for i := range 60 {
		id := fmt.Sprintf("m%d", i)
		var err error
		switch i % 3 {
		case 0:
			err = n.Delete(t.Context(), space, id, 0)
		case 1:
			_, err = n.Patch(t.Context(), space, id, 0, text("changed"))
		case 2:
			_, err = n.Unlink(t.Context(), space, []node.Edge{{From: id, To: fmt.Sprintf("m%d", i+1)}})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.Remember(t.Context(), space, node.Memory{ID: "new", Content: "new"}); err != nil {
		t.Fatal(err)
	}
}

// TestRestoreIsTheSame: lists, edges and spreads are byte for byte what they were when the snapshot was taken; restored over the
// space, as another one, under an alias, and after a restart.
func TestRestoreIsTheSame(t *testing.T) {
	opts := small(t.TempDir())
	n, stop := running(t, opts)
	ctx := t.Context()
	plant(t, n, "default", 300)
	before := everything(t, n, "default")
	taken, err := n.Snapshot(ctx, "default")
	if err != nil || taken.Memories != 300 {
		t.Fatalf("%+v, %v", taken, err)
	}
	same := func(n *node.Node, space string) {
		t.Helper()
		if diff := cmp.Diff(before, everything(t, n, space)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", space, diff)
		}
	}
	spoil(t, n, "default")
	if cmp.Equal(before, everything(t, n, "default")) {
		t.Fatal("nothing was spoilt")
	}
	if i, err := n.RestoreSnapshot(ctx, taken.Name, "other"); err != nil || i.Name != "other" || i.Memories != 300 || i.Dimension != 3 {
		t.Errorf("%+v, %v", i, err)
	}
	same(n, "other")
	if _, err := n.RestoreSnapshot(ctx, taken.Name, ""); err != nil {
		t.Fatal(err)
	}
	same(n, "default")
	spoil(t, n, "other")
	if err := n.AliasSpace(ctx, "alias", "other"); err != nil {
		t.Fatal(err)
	}
	if i, err := n.RestoreSnapshot(ctx, taken.Name, "alias"); err != nil || i.Name != "other" {
		t.Errorf("%+v, %v", i, err)
	}
	same(n, "alias")
	if i, err := n.CopySpace(ctx, "alias", "copy", 0); err != nil || i.Memories != 300 {
		t.Errorf("copy: %+v, %v", i, err)
	}
	same(n, "copy")
	stop()
	n, _ = running(t, opts)
	for _, space := range []string{"default", "other", "alias", "copy"} {
		same(n, space)
	}
	for _, space := range []string{"default", "other", "copy"} {
		spoil(t, n, space) // they can be written to
	}
	if names, err := n.Snapshots("default"); err != nil || len(names) != 1 {
		t.Errorf("snapshots after a restart: %v, %v", names, err)
	}
}

// TestSnapshotsBesideWriters writes pairs, each in one group, and takes snapshots meanwhile, beside compactions: what was acknowledged before the call is in it, and no pair is torn.
func TestSnapshotsBesideWriters(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	s, err := n.Store().Space("default")
	if err != nil {
		t.Fatal(err)
	}
	const writers, width = 4, 40
	if err := s.FixDimension(width); err != nil {
		t.Fatal(err)
	}
	var acknowledged [writers]atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for step := 1; ctx.Err() == nil; step++ {
				changes := make([]store.Change, 0, 6)
				for i := range cap(changes) {
					m := node.Memory{ID: fmt.Sprintf("w%d-%d", w, i), Content: fmt.Sprint(step), Vector: slices.Repeat([]float32{float32(step)}, width)}
					changes = append(changes, store.Change{Kind: record.Put, ID: m.ID, Value: record.AppendValue(nil, &m, 0), Vector: m.Vector})
				}
				if _, err := s.Apply(t.Context(), changes); err != nil {
					t.Error(err)
					return
				}
				acknowledged[w].Store(int64(step))
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			if _, _, err := s.Compact(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	defer wg.Wait()
	defer cancel()
	for range 15 {
		var floor [writers]int64
		for w := range writers {
			floor[w] = acknowledged[w].Load()
		}
		taken, err := n.Snapshot(t.Context(), "default")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.RestoreSnapshot(t.Context(), taken.Name, "look"); err != nil {
			t.Fatal(err)
		}
		checkPairs(t, n, "look", floor[:])
	}
}

// checkPairs checks that the memories of each writer are all of one step, the floor at least.
func checkPairs(t *testing.T, n *node.Node, space string, floor []int64) {
	t.Helper()
	ms, _, err := n.List(t.Context(), space, 0, 1000, nil)
	if err != nil {
		t.Fatal(err)
	}
	steps := map[string][]string{}
	for _, m := range ms {
		w, _, _ := strings.Cut(m.ID, "-")
		steps[w] = append(steps[w], m.Content)
		if want := fmt.Sprint(m.Vector[0]); want != m.Content {
			t.Errorf("%s is of step %s and has the vector of %s", m.ID, m.Content, want)
		}
	}
	for w, least := range floor {
		got := steps[fmt.Sprintf("w%d", w)]
		if len(got) == 0 && least == 0 {
			continue
		}
		var step int64
		if len(got) > 0 {
			if _, err := fmt.Sscan(got[0], &step); err != nil {
				t.Fatal(err)
			}
		}
		if len(got) != 6 || len(slices.Compact(got)) != 1 || step < least {
			t.Errorf("writer %d is at %v; acknowledged before the snapshot: %d", w, got, least)
		}
	}
}

// TestReadsGoOnDuringARestore reads while the space is replaced, again and again: what is read is of the old or of the new, never missing.
func TestReadsGoOnDuringARestore(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	plant(t, n, "default", 200)
	taken, err := n.Snapshot(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var reads, replaced atomic.Int64
	for range 2 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("m%d", i%200)
				m, err := n.Get(t.Context(), "default", id)
				switch {
				case errors.Is(err, node.ErrNoSpace):
					replaced.Add(1)
				case err != nil:
					t.Errorf("get %s: %v", id, err)
					return
				case m.Content != "content "+id[1:] && m.Content != "changed":
					t.Errorf("%s is %q", id, m.Content)
				}
				reads.Add(1)
			}
		})
	}
	for range 10 {
		if _, err := n.Patch(t.Context(), "default", "m1", 0, text("changed")); err != nil {
			t.Error(err)
		}
		if _, err := n.RestoreSnapshot(t.Context(), taken.Name, ""); err != nil {
			t.Error(err)
		}
		if m, err := n.Get(t.Context(), "default", "m1"); err != nil || m.Content != "content 1" {
			t.Errorf("restored: %q, %v", m.Content, err)
		}
	}
	cancel()
	wg.Wait()
	if reads.Load() == 0 || replaced.Load() > 0 {
		t.Errorf("%d reads, of which %d were refused because the space had just been replaced", reads.Load(), replaced.Load())
	}
}

func TestSnapshotErrors(t *testing.T) {
	dir := t.TempDir()
	n, _ := running(t, small(dir))
	ctx := t.Context()
	taken, err := n.Snapshot(ctx, "default")
	if err != nil {
		t.Fatal(err)
	}
	none := "20000101T000000Z-default"
	for name, c := range map[string]struct {
		try  func() error
		want error
	}{
		"snapshot of no space": {func() error { _, err := n.Snapshot(ctx, "nowhere"); return err }, node.ErrNoSpace},
		"restore of nothing":   {func() error { _, err := n.RestoreSnapshot(ctx, none, ""); return err }, node.ErrNoSnapshot},
		"restore by a path":    {func() error { _, err := n.RestoreSnapshot(ctx, "../"+taken.Name, ""); return err }, node.ErrInvalid},
		"restore as a path":    {func() error { _, err := n.RestoreSnapshot(ctx, taken.Name, "../x"); return err }, node.ErrInvalid},
		"delete of nothing":    {func() error { return n.DeleteSnapshot(none) }, node.ErrNoSnapshot},
		"delete by a path":     {func() error { return n.DeleteSnapshot("..") }, node.ErrInvalid},
		"verify of nothing":    {func() error { _, err := n.VerifySnapshot(ctx, none); return err }, node.ErrNoSnapshot},
		"prune all":            {func() error { _, err := n.PruneSnapshots(ctx, 0, 0); return err }, node.ErrInvalid},
		"archive to nowhere":   {func() error { _, err := n.ArchiveSnapshots(ctx, ""); return err }, node.ErrInvalid},
		"archive into the node": {func() error {
			_, err := n.ArchiveSnapshots(ctx, "file://"+filepath.Join(dir, "x", "..", "snapshots"))
			return err
		}, node.ErrInvalid},
		"archive to no directory":    {func() error { _, err := n.ArchiveSnapshots(ctx, "file:///dev/null"); return err }, node.ErrInvalid},
		"archive to no name":         {func() error { _, err := n.ArchiveSnapshots(ctx, "s3://"); return err }, node.ErrInvalid},
		"archive to another planet":  {func() error { _, err := n.ArchiveSnapshots(ctx, "mars://x"); return err }, node.ErrInvalid},
		"fetch what is not archived": {func() error { _, err := n.FetchSnapshot(ctx, "file://"+t.TempDir(), none); return err }, node.ErrNoSnapshot},
	} {
		if err := c.try(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v; want %v", name, err, c.want)
		}
	}
	if _, err := node.Open(node.Options{DataDir: t.TempDir(), Snapshots: node.SnapshotOptions{Schedule: "often", KeepLast: -1, Archive: "mars://"}}); err == nil ||
		!strings.Contains(err.Error(), "schedule") || !strings.Contains(err.Error(), "keep") || !strings.Contains(err.Error(), "bucket") {
		t.Errorf("options: %v", err)
	}
}

// TestDamagedSpace restores a space whose base is damaged from its snapshot.
func TestDamagedSpace(t *testing.T) {
	opts := small(t.TempDir())
	n, stop := running(t, opts)
	plant(t, n, "default", 100)
	before := everything(t, n, "default")
	taken, err := n.Snapshot(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	s, err := n.Store().Space("default")
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(s.Dir(), "base.db")
	stop()
	b, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[8192:]) // all but the meta pages
	if err := os.WriteFile(base, b, 0o600); err != nil {
		t.Fatal(err)
	}
	n, _ = running(t, opts)
	if _, err := n.Get(t.Context(), "default", "m1"); !errors.Is(err, node.ErrDamaged) {
		t.Errorf("get: %v", err)
	}
	if _, err := n.Snapshot(t.Context(), "default"); !errors.Is(err, node.ErrDamaged) {
		t.Errorf("snapshot: %v", err)
	}
	if _, err := n.RestoreSnapshot(t.Context(), taken.Name, ""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, everything(t, n, "default")); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}

// TestScheduledSnapshots starts a node that missed its times: it takes one of each space, archives and prunes.
func TestScheduledSnapshots(t *testing.T) {
	opts := small(t.TempDir())
	var now atomic.Pointer[time.Time]
	set := func(at time.Time) { now.Store(&at) }
	opts.Now = func() time.Time { return *now.Load() }
	start := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	set(start)
	n, stop := running(t, opts)
	for day := range 3 {
		set(start.AddDate(0, 0, day))
		if _, err := n.Snapshot(t.Context(), "default"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.CreateSpace(t.Context(), "new", 0); err != nil {
		t.Fatal(err)
	}
	stop()
	bucket := "file://" + t.TempDir()
	set(start.AddDate(0, 0, 14))
	opts.Snapshots = node.SnapshotOptions{Schedule: "0 3 * * *", KeepLast: 1, KeepWeekly: 1, Archive: bucket}
	n, stop = running(t, opts)
	want := []string{"20261115T120000Z-new", "20261115T120000Z-default"}
	var got []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline) && !slices.Equal(got, want); {
		infos, err := n.Snapshots("")
		if err != nil {
			t.Fatal(err)
		}
		got = nil
		for _, i := range infos {
			got = append(got, i.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	archived, err := n.ArchivedSnapshots(t.Context(), "")
	if err != nil || len(archived) != 5 {
		t.Errorf("%d archived, %v; want all of the 5 that there ever were", len(archived), err)
	}
	st, err := n.SnapshotStats()
	if err != nil || st.Count != 2 || st.Bytes == 0 || !st.LastSuccess.Equal(start.AddDate(0, 0, 14)) || st.LastError != nil || st.Spaces["new"].Count != 1 {
		t.Errorf("%+v, %v", st, err)
	}
	stop()
}

// TestScheduledFailure tells why, and hinders nothing else.
func TestScheduledFailure(t *testing.T) {
	opts := small(t.TempDir())
	n, stop := running(t, opts)
	if _, err := n.Snapshot(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	stop()
	opts.Now = func() time.Time { return time.Now().AddDate(0, 0, 2) }
	opts.Snapshots = node.SnapshotOptions{Schedule: "0 3 * * *", Archive: "file:///not/mounted"}
	n, stop = running(t, opts)
	var st node.SnapshotStats
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline) && st.LastError == nil; {
		var err error
		if st, err = n.SnapshotStats(); err != nil {
			t.Fatal(err)
		}
	}
	if st.LastError == nil || !strings.Contains(st.LastError.Error(), "/not/mounted") || st.Count != 2 {
		t.Errorf("%+v", st)
	}
	stop()
}

// TestDisasterRecovery restores the archive of a node that is lost into a new one whose log has hardly begun.
func TestDisasterRecovery(t *testing.T) {
	bucket := "file://" + t.TempDir()
	lost, stop := running(t, small(t.TempDir()))
	ctx := t.Context()
	plant(t, lost, "default", 150)
	for range 20 { // its log is far
		spoil(t, lost, "default")
		if err := lost.DropSpace(ctx, "default"); err != nil {
			t.Fatal(err)
		}
		plant(t, lost, "default", 150)
	}
	before := withoutVersions(everything(t, lost, "default"))
	taken, err := lost.Snapshot(ctx, "default")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lost.ArchiveSnapshots(ctx, bucket); err != nil {
		t.Fatal(err)
	}
	stop()

	opts := small(t.TempDir())
	n, stop := running(t, opts)
	if _, err := n.FetchSnapshot(ctx, bucket, taken.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := n.RestoreSnapshot(ctx, taken.Name, ""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, withoutVersions(everything(t, n, "default"))); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	// Writes are younger than what was restored, and still there after a restart.
	was, err := n.Get(ctx, "default", "m7")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		now, err := n.Patch(ctx, "default", "m7", was.Version, text(fmt.Sprint(i)))
		if err != nil || now.Version <= was.Version {
			t.Fatalf("version %d after %d, %v", now.Version, was.Version, err)
		}
		got, err := n.Get(ctx, "default", "m7")
		if err != nil || got.Content != fmt.Sprint(i) || !slices.Equal(got.Vector, was.Vector) {
			t.Fatalf("%q with vector %v, %v; want %d, %v", got.Content, got.Vector, err, i, was.Vector)
		}
		was = got
	}
	again, err := n.Snapshot(ctx, "default")
	if err != nil || again.LSN >= taken.LSN {
		t.Errorf("the next snapshot is of LSN %d, %v; that of the lost node was %d", again.LSN, err, taken.LSN)
	}
	wanted := everything(t, n, "default")
	stop()
	n, _ = running(t, opts)
	if diff := cmp.Diff(wanted, everything(t, n, "default")); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
}

var version = regexp.MustCompile(`"Version":[0-9]+,`)

// withoutVersions leaves out what is of the log of one node.
func withoutVersions(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = version.ReplaceAllString(l, "")
	}
	return out
}
