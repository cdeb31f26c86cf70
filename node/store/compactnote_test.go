package store_test

import (
	"fmt"
	"testing"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
	"github.com/google/go-cmp/cmp"
)

// TestCompactNotesWhatGoes: what is deleted and checkpointed once everything is copied is not in the file that takes the place of the
// old one, neither the memories nor their edges.
func TestCompactNotesWhatGoes(t *testing.T) {
	dir := t.TempDir()
	var meanwhile func()
	l := live(t, dir, func(o *store.Options) {
		o.AtStep(func(step string) error {
			if step == "copied" {
				meanwhile()
			}
			return nil
		})
	})
	s := l.space("default")
	model := holey(t, l, s)
	meanwhile = func() {
		var gone []store.Change
		for i := 5; i < 500; i += 5 { // they live in the base
			gone = append(gone, store.Change{Kind: record.Delete, ID: fmt.Sprint("m", i)})
			delete(model, fmt.Sprint("m", i))
		}
		if _, err := s.Apply(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		do(t, s, store.Change{Kind: record.Unlink, ID: "m500", ToID: "m0"})
		checkpoint(t, l)
	}
	if _, _, err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	said := l.mirrors["default"].tell()
	compare(t, s, model)
	l.end()
	l = live(t, dir, nil)
	compare(t, l.space("default"), model)
	if diff := cmp.Diff(said, l.mirrors["default"].tell()); diff != "" {
		t.Errorf("views after a restart (-before +after):\n%s", diff)
	}
}
