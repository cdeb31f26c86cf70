package store_test

import (
	"errors"
	"testing"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

func TestConditions(t *testing.T) {
	for name, c := range map[string]struct {
		before  []store.Change // after a and b were put
		expect  uint64         // version of a less this
		refused error
	}{
		"as expected":               {nil, 0, nil},
		"of another version":        {nil, 1, store.ErrVersion},
		"changed by the same group": {[]store.Change{put("a", "three")}, 0, store.ErrVersion},
		"deleted by the same group": {[]store.Change{{Kind: record.Delete, ID: "a"}}, 0, store.ErrVersion},
	} {
		t.Run(name, func(t *testing.T) {
			s := live(t, t.TempDir(), nil).space("s")
			rs, err := s.Apply(t.Context(), []store.Change{put("a", "one"), put("b", "two")})
			if err != nil {
				t.Fatal(err)
			}
			change := put("b", "after")
			change.Expect = []store.Expected{{Ord: rs[0].Ord, Version: rs[0].Version - c.expect}}
			follows := put("c", "four")
			follows.With = true
			rs, err = s.Apply(t.Context(), append(c.before, change, follows, put("d", "five")))
			if err != nil {
				t.Fatal(err)
			}
			rs = rs[len(c.before):]
			if !errors.Is(rs[0].Err, c.refused) || !errors.Is(rs[1].Err, c.refused) || rs[2].Err != nil {
				t.Errorf("%+v; want %v, the same, and nil", rs, c.refused)
			}
			if _, _, ok := s.Lookup("c"); ok != (c.refused == nil) {
				t.Errorf("what goes with a change of error %v is there: %v", c.refused, ok)
			}
		})
	}
}
