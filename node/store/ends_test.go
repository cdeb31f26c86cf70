package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// TestNoEdgeMeetsAnotherMemory damages a record beyond recognition, to and from which edges lead. Its ordinal must not go to the next memory
// while they are there: it is dead, until the graph says that they are gone.
func TestNoEdgeMeetsAnotherMemory(t *testing.T) {
	dir := t.TempDir()
	l := live(t, dir, nil)
	s := l.space("default")
	lost := do(t, s, put("lost", "the content of what is lost")).Ord
	do(t, s, put("other", "x"))
	do(t, s, store.Change{Kind: record.Link, ID: "lost", ToID: "other", Weight: 5})
	do(t, s, store.Change{Kind: record.Link, ID: "other", ToID: "lost", Weight: 5})
	path := filepath.Join(s.Dir(), "base.db")
	l.end()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.ReplaceAll(b, []byte("lost"), make([]byte, 4))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	l = live(t, dir, nil)
	s = l.space("default")
	if _, _, there := s.Lookup("lost"); there || len(s.Faults()) == 0 {
		t.Fatalf("the damage was not found: %v", s.Faults())
	}
	if dead := s.Dead(); len(dead) != 1 || dead[0] != lost {
		t.Errorf("dead: %v; want %d", dead, lost)
	}
	for i := range 3 {
		if ord := do(t, s, put(fmt.Sprint("new", i), "y")).Ord; ord == lost {
			t.Errorf("new%d got the ordinal %d, where edges end", i, ord)
		}
	}
	do(t, s, store.Change{Kind: record.Free, Ord: lost})
	if ord := do(t, s, put("after", "z")).Ord; ord != lost {
		t.Errorf("after it was freed: ordinal %d; want %d", ord, lost)
	}
}
