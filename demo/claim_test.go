package demo

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// entriesOf lists the names in a directory.
func entriesOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestTheNextDemoClearsWhatAKilledOneLeft: of demos that live, that came to their end, and of what is no demo's,
// nothing is removed.
func TestTheNextDemoClearsWhatAKilledOneLeft(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	open := func() *place {
		t.Helper()
		p, err := openPlace("")
		if err == nil {
			err = os.MkdirAll(filepath.Join(p.Dir, "node", "wal"), 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	lives, ended, killed := open(), open(), open()
	if err := ended.slim(); err != nil {
		t.Fatal(err)
	}
	if err := killed.claim.Close(); err != nil { // as the kernel does
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "kept")
	if err := os.Mkdir(elsewhere, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(temp, prefix+"link")); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(temp, "engramd-other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{other, elsewhere} {
		if err := os.WriteFile(filepath.Join(dir, claimName), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	next := open()
	want := []string{filepath.Base(lives.Dir), filepath.Base(ended.Dir), filepath.Base(next.Dir), prefix + "link", filepath.Base(other)}
	slices.Sort(want)
	if got := entriesOf(t, temp); !slices.Equal(got, want) {
		t.Errorf("there are %v, want %v: killed was %s", got, want, filepath.Base(killed.Dir))
	}
	if got := entriesOf(t, elsewhere); len(got) != 1 {
		t.Errorf("behind a link are %v", got)
	}
	if got := entriesOf(t, ended.Dir); len(got) != 0 {
		t.Errorf("where a demo came to its end stay %v", got)
	}
	for _, p := range []*place{lives, next} {
		if err := p.remove(); err != nil {
			t.Error(err)
		}
	}
}
