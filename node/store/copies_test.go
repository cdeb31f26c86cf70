package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/engramd/engramd/node/pages"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// baseOf copies the base of s into a new file.
func baseOf(t *testing.T, s *store.Space) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := s.CopyBase(&b, nil); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "base.db")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// roomy segments take groups of thousands.
func roomy(o *store.Options) { o.WAL.SegmentBytes = 4 << 20 }

func fillWith(t *testing.T, file string) func(string) error {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return func(dir string) error { return os.WriteFile(filepath.Join(dir, "base.db"), b, 0o600) }
}

// TestACopyIsOfOneMoment ends a checkpoint between two of its transactions, and copies the base then.
func TestACopyIsOfOneMoment(t *testing.T) {
	l := live(t, t.TempDir(), roomy)
	s := l.space("default")
	changes := make([]store.Change, 6000)
	for i := range changes {
		changes[i] = put(fmt.Sprint("m", i), "x")
	}
	if _, err := s.Apply(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Checkpoint(&fuse{t.Context(), 1}); err == nil {
		t.Fatal("the checkpoint was not cut")
	}
	r, err := store.Inspect(t.Context(), baseOf(t, s))
	if err != nil || r.Memories != len(changes) && r.Memories != 0 {
		t.Errorf("%+v, %v; want all of the group or nothing", r, err)
	}
}

func TestInspect(t *testing.T) {
	l := live(t, t.TempDir(), nil)
	s := l.space("default")
	do(t, s, put("a", "needle"))
	do(t, s, put("b", "2"))
	last := do(t, s, store.Change{Kind: record.Link, ID: "a", ToID: "b", Weight: 9})
	if _, err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := baseOf(t, s)
	want := store.BaseReport{Space: s.ID(), Applied: last.Version, Memories: 2, Edges: 1}
	if got, err := store.Inspect(t.Context(), file); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.ReplaceAll(b, []byte("needle"), []byte("noodle")) // a free page may have it, too
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Inspect(t.Context(), file); err != nil || got.Damaged != 1 {
		t.Errorf("with a flipped bit in a value: %+v, %v", got, err)
	}
	if err := os.Truncate(file, 8192); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Inspect(t.Context(), file); !errors.Is(err, pages.ErrDamaged) {
		t.Errorf("cut off: %v", err)
	}
}

// TestABaseOfAnotherNode adopts a base whose LSNs this node has not given yet: what is written here afterwards must
// be younger.
func TestABaseOfAnotherNode(t *testing.T) {
	far := live(t, t.TempDir(), nil)
	s := far.space("default")
	for i := range 5000 {
		do(t, s, put(fmt.Sprint("m", i%3), fmt.Sprint(i)))
	}
	if _, err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill := fillWith(t, baseOf(t, s))

	dir := t.TempDir()
	near := live(t, dir, nil)
	near.space("default") // new: its log is empty
	a, err := near.Adopt(t.Context(), "default", 0, fill)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"m0": "4998", "m1": "4999", "m2": "4997"}
	compare(t, a, want)
	_, before, _ := a.Lookup("m1")
	r := do(t, a, put("m1", "here"))
	if before == 0 || r.Version <= before {
		t.Errorf("version %d after %d", r.Version, before)
	}
	want["m1"] = "here"
	compare(t, a, want)
	after := live(t, crashed(t, dir), nil)
	compare(t, after.space("default"), want)
	if st := after.Stats().Recovery; len(st.Holes) > 0 {
		t.Errorf("holes %v", st.Holes)
	}
}

func TestDropVectors(t *testing.T) {
	l := live(t, t.TempDir(), roomy)
	s := l.space("default")
	changes := make([]store.Change, 4500)
	for i := range changes {
		m := record.Memory{ID: fmt.Sprint("m", i), Content: "x"}
		if i%3 > 0 {
			m.Vector = []float32{1, 2}
		}
		changes[i] = store.Change{Kind: record.Put, ID: m.ID, Value: record.AppendValue(nil, &m, 0), Vector: m.Vector}
	}
	if _, err := s.Apply(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := baseOf(t, s)
	if err := store.DropVectors(file); err != nil {
		t.Fatal(err)
	}
	c, err := l.Adopt(t.Context(), "copy", 0, fillWith(t, file))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = c.Scan(t.Context(), 0, func(ord record.Ord, v record.Value, damage error) (bool, error) {
		if n++; damage != nil || v.VectorVersion() != 0 || v.Version() != s.Version(ord) {
			t.Errorf("%d: vector version %d, version %d; want 0, %d; %v", ord, v.VectorVersion(), v.Version(), s.Version(ord), damage)
		}
		return !t.Failed(), nil
	})
	if err != nil || n != len(changes) {
		t.Errorf("%d memories, %v", n, err)
	}
}
