package node_test

import (
	"errors"
	"testing"

	"github.com/engramd/engramd/node"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestSpaces(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	ctx := t.Context()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	_, err := n.CreateSpace(ctx, "a", 3)
	do(err)
	_, err = n.CreateSpace(ctx, "a", 3)
	do(err)
	plant(t, n, "a", 20)
	do(n.AliasSpace(ctx, "main", "a"))
	do(n.AliasSpace(ctx, "second", "main"))
	want := []node.SpaceInfo{
		{ID: 2, Name: "a", Aliases: []string{"main", "second"}, Dimension: 3, Memories: 20},
		{ID: 1, Name: "default"},
	}
	if diff := cmp.Diff(want, n.Spaces(), cmpopts.IgnoreFields(node.SpaceInfo{}, "CreatedAt")); diff != "" || n.Spaces()[0].CreatedAt.IsZero() {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, c := range map[string]struct {
		try  func() error
		want error
	}{
		"create with another dimension": {func() error { _, err := n.CreateSpace(ctx, "a", 4); return err }, node.ErrSpaceExists},
		"create over an alias":          {func() error { _, err := n.CreateSpace(ctx, "main", 3); return err }, node.ErrSpaceExists},
		"create by a path":              {func() error { _, err := n.CreateSpace(ctx, "../a", 3); return err }, node.ErrInvalid},
		"create with too much":          {func() error { _, err := n.CreateSpace(ctx, "b", 1<<20); return err }, node.ErrInvalid},
		"drop of nothing":               {func() error { return n.DropSpace(ctx, "nothing") }, node.ErrNoSpace},
		"drop of an alias":              {func() error { return n.DropSpace(ctx, "main") }, node.ErrNoSpace},
		"alias over a space":            {func() error { return n.AliasSpace(ctx, "a", "default") }, node.ErrSpaceExists},
		"alias of nothing":              {func() error { return n.AliasSpace(ctx, "b", "nothing") }, node.ErrNoSpace},
		"no alias":                      {func() error { return n.AliasSpace(ctx, "b", "") }, node.ErrNoSpace},
		"an alias that is a path":       {func() error { return n.AliasSpace(ctx, "a/b", "a") }, node.ErrInvalid},
		"copy of nothing":               {func() error { _, err := n.CopySpace(ctx, "nothing", "b", 0); return err }, node.ErrNoSpace},
		"copy over a space":             {func() error { _, err := n.CopySpace(ctx, "a", "default", 0); return err }, node.ErrSpaceExists},
		"copy over an alias":            {func() error { _, err := n.CopySpace(ctx, "a", "main", 0); return err }, node.ErrSpaceExists},
		"copy to a path":                {func() error { _, err := n.CopySpace(ctx, "a", "a/b", 0); return err }, node.ErrInvalid},
		"copy with a bad dimension":     {func() error { _, err := n.CopySpace(ctx, "a", "b", -1); return err }, node.ErrInvalid},
	} {
		if err := c.try(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v; want %v", name, err, c.want)
		}
	}
	do(n.AliasSpace(ctx, "second", ""))
	do(n.DropSpace(ctx, "a"))
	if _, err := n.Get(ctx, "main", "m1"); !errors.Is(err, node.ErrNoSpace) {
		t.Errorf("by an alias of what was dropped: %v", err)
	}
	if got := n.Spaces(); len(got) != 1 {
		t.Errorf("left: %+v", got)
	}
}

// TestAnotherDimension is how a space gets one: a copy without vectors, new vectors, an alias.
func TestAnotherDimension(t *testing.T) {
	opts := small(t.TempDir())
	n, stop := running(t, opts)
	ctx := t.Context()
	plant(t, n, "default", 50)
	if err := n.AliasSpace(ctx, "main", "default"); err != nil {
		t.Fatal(err)
	}
	i, err := n.CopySpace(ctx, "main", "wide", 7)
	if err != nil || i.Dimension != 7 || i.Memories != 50 {
		t.Fatalf("%+v, %v", i, err)
	}
	vector := []float32{1, 2, 3, 4, 5, 6, 7}
	if _, err := n.Patch(ctx, "wide", "m1", 0, node.Patch{Vector: &vector}); err != nil {
		t.Fatal(err)
	}
	if err := n.AliasSpace(ctx, "main", "wide"); err != nil {
		t.Fatal(err)
	}
	check := func(n *node.Node) {
		t.Helper()
		for id, want := range map[string][]float32{"m1": vector, "m2": nil} {
			m, err := n.Get(ctx, "main", id)
			if err != nil {
				t.Fatal(err)
			}
			old, err := n.Get(ctx, "default", id)
			if err != nil || len(old.Vector) != 3 {
				t.Errorf("the old one: %v, %v", old.Vector, err)
			}
			if diff := cmp.Diff(want, m.Vector, cmpopts.EquateEmpty()); diff != "" || m.Content != old.Content {
				t.Errorf("%s: %q, vector (-want +got):\n%s", id, m.Content, diff)
			}
			out, in, err := n.Edges(ctx, "main", id)
			if err != nil || len(out)+len(in) == 0 {
				t.Errorf("%s has no edges: %v", id, err)
			}
		}
		if v, err := n.Vectors("main"); err != nil || v.Stats().Damaged > 0 || v.Stats().Count != 1 {
			t.Errorf("vectors: %+v, %v", v.Stats(), err)
		}
	}
	check(n)
	stop()
	n, _ = running(t, opts)
	check(n)
	if v, err := n.Vectors("main"); err != nil {
		t.Error(err)
	} else if _, damaged, err := v.Scrub(ctx); damaged > 0 || err != nil {
		t.Errorf("%d vectors are damaged, %v", damaged, err)
	}
}

// TestDropOfTheDefaultSpace empties it, and its snapshots bring it back.
func TestDropOfTheDefaultSpace(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	ctx := t.Context()
	plant(t, n, "default", 30)
	before := everything(t, n, "default")
	taken, err := n.Snapshot(ctx, "default")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.DropSpace(ctx, "default"); err != nil {
		t.Fatal(err)
	}
	if i, err := n.SpaceInfo("default"); err != nil || i.Memories != 0 || i.Dimension != 0 || i.Err != nil {
		t.Errorf("%+v, %v", i, err)
	}
	if _, err := n.Remember(ctx, "default", node.Memory{ID: "m1", Content: "another", Vector: []float32{1}}); err != nil {
		t.Error(err)
	}
	if _, err := n.RestoreSnapshot(ctx, taken.Name, ""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, everything(t, n, "default")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSpacesDuringMaintenance(t *testing.T) {
	n, _ := running(t, small(t.TempDir()))
	ctx := t.Context()
	taken, err := n.Snapshot(ctx, "default")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.EnableMaintenance("x", 0); err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]func() error{
		"create": func() error { _, err := n.CreateSpace(ctx, "a", 3); return err },
		"drop":   func() error { return n.DropSpace(ctx, "default") },
		"alias":  func() error { return n.AliasSpace(ctx, "a", "default") },
		"copy":   func() error { _, err := n.CopySpace(ctx, "default", "a", 0); return err },
	} {
		if err := try(); !errors.Is(err, node.ErrMaintenance) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What operators do in maintenance.
	if _, err := n.Snapshot(ctx, "default"); err != nil {
		t.Error(err)
	}
	if _, err := n.RestoreSnapshot(ctx, taken.Name, ""); err != nil {
		t.Error(err)
	}
}
