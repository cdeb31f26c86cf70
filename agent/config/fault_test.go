package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/engramd/engramd/agent/config"
)

// Each archive of testdata/faults holds an agent.yaml, the rule files that it names, and as want what
// is told of it: the faults, or the warnings if there are none.
func TestFaults(t *testing.T) {
	paths, err := filepath.Glob("testdata/faults/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			files := archive.Files
			var want string
			if last := len(files) - 1; files[last].Name == "want" {
				want = string(files[last].Data)
				files = files[:last]
			}
			for _, f := range files {
				if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got := strings.ReplaceAll(told(filepath.Join(dir, files[0].Name)), dir+"/", "")
			if *update {
				archive.Files = append(files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// told is what a person is told of a file.
func told(path string) string {
	c, err := config.Load(path, registry())
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, w := range c.Warnings {
		b.WriteString("warning: " + w.String() + "\n")
	}
	return b.String() + "ok\n"
}

func TestLoadUnreadable(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "there is no such file",
		dir:                             "it is no file",
		"/dev/zero":                     "it is no file",
	} {
		_, err := config.Load(path, registry())
		if err == nil || err.Error() != "read the configuration "+path+": "+want {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestParseBounds(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"size":       {strings.Repeat("#\n", config.MaxBytes), "a.yaml: file of 1048576 bytes: at most 524288 are read"},
		"words":      {"targets:\n" + strings.Repeat("- a\n", 40_000), "more than 60000 words and signs"},
		"flow":       {"a: " + strings.Repeat("[", 100_000), "a.yaml:1:44: nested too deeply"},
		"block":      {"a:\n" + strings.Repeat("- ", 30_000), "nested too deeply"},
		"tags":       {"a: " + strings.Repeat("!a ", 30_000), "nested too deeply"},
		"mapping":    {"a: " + strings.Repeat("? ", 30_000), "nested too deeply"},
		"anchors":    {"a: " + strings.Repeat("&a ", 20_000), "nested too deeply"},
		"alias bomb": {bomb(), "more than 100000 values"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse("a.yaml", []byte(tt.text), registry())
			faults, ok := errors.AsType[config.Faults](err)
			if !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %.300v", err)
			}
			if len(faults) > 51 || len(err.Error()) > 50_000 {
				t.Errorf("%d faults, %d bytes", len(faults), len(err.Error()))
			}
		})
	}
}

// bomb unfolds to four million texts.
func bomb() string {
	return "version: 1\ntargets:\n- &t\n  name: a\n  smoke: [&s {command: [" + strings.Repeat("a, ", 2000) + "]}" + strings.Repeat(", *s", 2000) + "]\n"
}
