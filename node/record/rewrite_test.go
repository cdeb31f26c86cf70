package record_test

import (
	"testing"

	"github.com/engramd/engramd/node/record"
	"github.com/google/go-cmp/cmp"
)

func TestRewrite(t *testing.T) {
	m := record.Memory{ID: "a", Content: "text", Vector: []float32{1}, Tags: []string{"x"}}
	v := record.Value(record.AppendValue(nil, &m, 0))
	v.Seal(7, 900)
	for _, c := range []struct{ version, vector uint64 }{{5, 900}, {900, 0}, {5, 0}} {
		n := v.Rewrite(7, c.version, c.vector)
		if err := n.Check(7); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		if n.Version() != c.version || n.VectorVersion() != c.vector {
			t.Errorf("version %d, vector version %d; want %+v", n.Version(), n.VectorVersion(), c)
		}
		var before, after record.Memory
		if err := v.Decode(&before, v.Payload()); err != nil {
			t.Fatal(err)
		}
		if err := n.Decode(&after, n.Payload()); err != nil {
			t.Fatal(err)
		}
		before.Version, after.Version = 0, 0
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%+v (-before +after):\n%s", c, diff)
		}
		if err := v.Check(7); err != nil || v.Version() != 900 || v.VectorVersion() != 900 {
			t.Errorf("%+v: the old value changed: %v", c, err)
		}
	}
}
