package demo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/node"
	"github.com/engramd/engramd/policy"
)

func registry() actuators.Registry { return actuators.Registry{"node": node.Platform()} }

// TestConfiguration holds that the demo's agent.yaml is a sound one, and that what the view knows of it is so.
func TestConfiguration(t *testing.T) {
	p, err := openPlace(filepath.Join(t.TempDir(), "demo"))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := p.configuration(registry())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range cfg.Warnings {
		t.Errorf("warning: %s", w)
	}
	if len(cfg.Targets) != 1 || cfg.Mode != policy.Auto || cfg.DataDir != p.Dir {
		t.Errorf("%d targets in mode %s, data in %s", len(cfg.Targets), cfg.Mode, cfg.DataDir)
	}
	if aware := cfg.Node.NUMA.Aware; aware == nil || *aware {
		t.Error("a memory policy starts the program again: its demo would find its directory in use")
	}
	for signal, begins := range bound {
		found := false
		for _, one := range cfg.Policies {
			if one.Matrix.Signals[signal] == "" {
				continue
			}
			found = true
			for _, row := range one.Matrix.Rows {
				in := row.When[signal]
				if acts := len(row.Changes) > 0; in.Contains(begins) != acts || in.Contains(begins-0.001) == acts {
					t.Errorf("%s of %s: a row that acts (%v) does not begin at %v", signal, one.Name, acts, begins)
				}
			}
		}
		if !found {
			t.Errorf("no policy has the signal %s", signal)
		}
	}
}

func TestPlaceTakesOnlyEmptyDirectories(t *testing.T) {
	used := t.TempDir()
	mine := filepath.Join(used, "mine")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, says := range map[string]string{used: "not empty", mine: "--data-dir", filepath.Join(mine, "below"): "--data-dir"} {
		if _, err := openPlace(dir); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
}

// TestPlaceIsRemoved removes what was made, and no directory that was there.
func TestPlaceIsRemoved(t *testing.T) {
	there, fresh := t.TempDir(), filepath.Join(t.TempDir(), "fresh")
	for dir, stays := range map[string]bool{there: true, fresh: false} {
		p, err := openPlace(dir)
		if err == nil {
			err = os.MkdirAll(filepath.Join(p.Dir, "node", "wal"), 0o700)
		}
		if err == nil {
			err = p.remove()
		}
		if err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir)
		if (err == nil) != stays || len(entries) > 0 {
			t.Errorf("%s: %v, %v", dir, entries, err)
		}
	}
}
