package snapshot_test

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/snapshot"
	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"
)

func fileBucket(t *testing.T) (u, dir string) {
	t.Helper()
	dir = t.TempDir()
	return (&url.URL{Scheme: "file", Path: dir}).String(), dir
}

// stored returns what files a bucket has, and when each was last written.
func stored(t *testing.T, dir string) map[string]time.Time {
	t.Helper()
	out := map[string]time.Time{}
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			out[rel] = info.ModTime()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestArchiveAndFetch(t *testing.T) {
	w := newWorld(t)
	u, dir := fileBucket(t)
	w.fill(300)
	before := tell(t, w.space)
	first := w.take()
	w.later(time.Hour)
	second := w.take()
	added, err := w.shelf.ArchiveAll(t.Context(), u)
	if err != nil || len(added) != 2 {
		t.Fatalf("%v, %v", added, err)
	}
	was := stored(t, dir)
	if len(was) != 6 {
		t.Errorf("the bucket has %v", was)
	}
	if i, err := w.shelf.Get(first.Name); err != nil || len(i.ArchivedTo) != 1 || i.ArchivedTo[0].URL != u {
		t.Errorf("%+v, %v; want it archived to %s", i, err, u)
	}
	// Again, and by name: nothing is written twice.
	if added, err := w.shelf.ArchiveAll(t.Context(), u); err != nil || len(added) != 0 {
		t.Errorf("again: %v, %v", added, err)
	}
	if err := w.shelf.Archive(t.Context(), u, first.Name); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(was, stored(t, dir)); diff != "" {
		t.Errorf("the bucket changed (-before +after):\n%s", diff)
	}
	// Somebody emptied the bucket.
	if err := os.RemoveAll(filepath.Join(dir, second.Name)); err != nil {
		t.Fatal(err)
	}
	if added, err := w.shelf.ArchiveAll(t.Context(), u); err != nil || len(added) != 1 || added[0].Name != second.Name {
		t.Errorf("after a loss: %v, %v", added, err)
	}
	archived, err := snapshot.Archived(t.Context(), u)
	if err != nil || len(archived) != 2 || archived[0].Name != second.Name || archived[0].Bytes != second.Bytes {
		t.Errorf("archived: %+v, %v", archived, err)
	}

	// Another node, which has nothing.
	other := newWorld(t)
	i, err := other.shelf.Fetch(t.Context(), u, first.Name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.Manifest, i.Manifest); diff != "" || len(i.ArchivedTo) != 1 {
		t.Errorf("%+v (-want +got):\n%s", i, diff)
	}
	if _, err := other.shelf.Fetch(t.Context(), u, first.Name); err != nil {
		t.Errorf("again: %v", err)
	}
	r, err := other.restored(first.Name, "default")
	if err != nil {
		t.Fatal(err)
	}
	// The LSNs are of another node's log; all else is the same.
	strip := cmp.Transformer("version", func(lines []string) []string {
		out := make([]string, len(lines))
		for i, l := range lines {
			a, b, _ := strings.Cut(l, "Version:")
			_, b, _ = strings.Cut(b, " ")
			out[i] = a + b
		}
		return out
	})
	if diff := cmp.Diff(before, tell(t, r), strip); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}

// TestArchiveGoesOn interrupts an archive before its manifest: what is there and whole stays, what is cut off or flipped is written again.
func TestArchiveGoesOn(t *testing.T) {
	w := newWorld(t)
	u, dir := fileBucket(t)
	w.fill(300)
	i := w.take()
	if err := w.shelf.Archive(t.Context(), u, i.Name); err != nil {
		t.Fatal(err)
	}
	was := stored(t, dir)
	base, vectors := filepath.Join(i.Name, "base.db.000000"), filepath.Join(i.Name, "vectors.000000")
	good, err := os.ReadFile(filepath.Join(dir, vectors))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, bad := range map[string][]byte{"cut off": good[:1000], "flipped": flipped} {
		t.Run(name, func(t *testing.T) {
			if err := os.Remove(filepath.Join(dir, i.Name, "manifest.json")); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, vectors), bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if archived, err := snapshot.Archived(t.Context(), u); err != nil || len(archived) != 0 {
				t.Errorf("without a manifest: %v, %v", archived, err)
			}
			if err := w.shelf.Archive(t.Context(), u, i.Name); err != nil {
				t.Fatal(err)
			}
			is := stored(t, dir)
			if !is[base].Equal(was[base]) || len(is) != len(was) {
				t.Errorf("%v; before %v", is, was)
			}
			if b, err := os.ReadFile(filepath.Join(dir, vectors)); err != nil || !bytes.Equal(b, good) {
				t.Errorf("the bad part is still there: %v", err)
			}
		})
	}
}

func TestArchiveOfAnotherNode(t *testing.T) {
	a, b := newWorld(t), newWorld(t)
	u, _ := fileBucket(t)
	a.fill(10)
	b.fill(20)
	i := a.take()
	if b.take().Name != i.Name {
		t.Fatal("the names differ")
	}
	if err := a.shelf.Archive(t.Context(), u, i.Name); err != nil {
		t.Fatal(err)
	}
	if err := b.shelf.Archive(t.Context(), u, i.Name); !errors.Is(err, snapshot.ErrTaken) {
		t.Errorf("over that of another node: %v", err)
	}
	if _, err := b.shelf.Fetch(t.Context(), u, i.Name); !errors.Is(err, snapshot.ErrTaken) {
		t.Errorf("fetch over the own: %v", err)
	}
	if err := b.shelf.Archive(t.Context(), u+"?prefix=b/", i.Name); err != nil {
		t.Error(err)
	}
	if archived, err := snapshot.Archived(t.Context(), u+"?prefix=b/"); err != nil || len(archived) != 1 || archived[0].Memories != 20 {
		t.Errorf("%+v, %v", archived, err)
	}
}

// TestDamageIsNotArchived: a snapshot that rotted must not look good in the bucket.
func TestDamageIsNotArchived(t *testing.T) {
	w := newWorld(t)
	u, _ := fileBucket(t)
	w.fill(100)
	i := w.take()
	path := filepath.Join(w.opts.Dir, i.Name, "vectors")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[20000] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.shelf.Archive(t.Context(), u, i.Name); !errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(err.Error(), "vectors") {
		t.Errorf("%v", err)
	}
	if archived, err := snapshot.Archived(t.Context(), u); err != nil || len(archived) != 0 {
		t.Errorf("archived: %v, %v", archived, err)
	}
}

// TestFetchOfDamage flips a bit in each object of an archive, and removes it.
func TestFetchOfDamage(t *testing.T) {
	w := newWorld(t)
	u, dir := fileBucket(t)
	w.fill(100)
	i := w.take()
	if err := w.shelf.Archive(t.Context(), u, i.Name); err != nil {
		t.Fatal(err)
	}
	if err := w.shelf.Delete(i.Name); err != nil {
		t.Fatal(err)
	}
	for name := range stored(t, dir) {
		path := filepath.Join(dir, name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Clone(good)
		bad[len(bad)/2] ^= 1
		for _, spoil := range []func() error{
			func() error { return os.WriteFile(path, bad, 0o600) },
			func() error { return os.WriteFile(path, good[:len(good)/2], 0o600) },
			func() error { return os.Remove(path) },
		} {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			_, err := w.shelf.Fetch(t.Context(), u, i.Name)
			if !errors.Is(err, snapshot.ErrDamaged) && !errors.Is(err, snapshot.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
			if got := w.entries(); len(got) > 0 {
				t.Errorf("%s: left %v", name, got)
			}
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.shelf.Fetch(t.Context(), u, i.Name); err != nil {
		t.Error(err)
	}
}

func TestBucketURLs(t *testing.T) {
	w := newWorld(t)
	for _, u := range []string{"", "backup", "/backup", "ftp://x", "file://", "s4://x", "https://key:secret@host/b", "::"} {
		_, err := w.shelf.ArchiveAll(t.Context(), u)
		if !errors.Is(err, record.ErrInvalid) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", u, err)
		}
	}
	missing := (&url.URL{Scheme: "file", Path: filepath.Join(t.TempDir(), "not", "mounted")}).String()
	if _, err := w.shelf.ArchiveAll(t.Context(), missing); err == nil {
		t.Error("a directory that is not there was made")
	}
}

// TestArchiveThatIsCancelled leaves no manifest, and no object that is half.
func TestArchiveThatIsCancelled(t *testing.T) {
	w := newWorld(t)
	u, dir := fileBucket(t)
	w.fill(100)
	i := w.take()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.shelf.Archive(ctx, u, i.Name); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if got := stored(t, dir); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
	b, err := blob.OpenBucket(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
