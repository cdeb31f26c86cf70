package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/engramd/engramd/agent/config"
)

// The token for the embedded node is another one at each start, and nobody else can read it, also where somebody laid a file in its
// place before.
func TestNodeToken(t *testing.T) {
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(elsewhere, []byte("theirs"), 0o666); err != nil {
		t.Fatal(err)
	}
	asks := &config.Config{DataDir: dir, Node: config.Node{Enabled: true}, Auth: config.Auth{TokenFile: "t"}}
	name := asks.NodeTokenFile()
	if err := os.Symlink(elsewhere, name); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 2 {
		a := &Agent{opts: Options{Config: asks}}
		if err := a.nodeToken(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(name)
		if err != nil || strings.TrimSpace(string(text)) != a.node.token || len(a.node.token) < 20 || seen[a.node.token] {
			t.Errorf("%q, %q: %v", text, a.node.token, err)
		}
		seen[a.node.token] = true
		if info, err := os.Lstat(name); err != nil || info.Mode() != 0o600 {
			t.Errorf("%v: %v", info.Mode(), err)
		}
	}
	if text, err := os.ReadFile(elsewhere); err != nil || string(text) != "theirs" {
		t.Errorf("it went to somebody's file: %q %v", text, err)
	}
	a := &Agent{opts: Options{Config: &config.Config{DataDir: filepath.Join(dir, "none"), Node: config.Node{Enabled: true}}}}
	if err := a.nodeToken(); err != nil || a.node.token != "" {
		t.Errorf("where none is asked for: %q %v", a.node.token, err)
	}
}
