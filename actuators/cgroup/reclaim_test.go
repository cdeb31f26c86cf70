package cgroup_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestReclaimAsksTheKernel(t *testing.T) {
	root := tree(t, "v2")
	g := find(t, root, 42)
	if err := g.Reclaim(4096); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("an old kernel: got %v, want ErrUnsupported", err)
	}
	name := filepath.Join(root, "sys/fs/cgroup/system.slice/docker-ab12.scope/memory.reclaim")
	if err := os.WriteFile(name, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := g.Reclaim(4096); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "4096" {
		t.Errorf("wrote %q, %v; want 4096", b, err)
	}
	if err := find(t, tree(t, "v1"), 42).Reclaim(4096); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("v1: got %v, want ErrUnsupported", err)
	}
}
