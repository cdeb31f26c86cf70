package rules_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/engramd/engramd/rules"
)

var update = flag.Bool("update", false, "rewrite the expected texts")

// Each archive of testdata/load holds a rule file, as rules.yaml, and what Load and Lint say, as want.
func TestLoad(t *testing.T) {
	paths, err := filepath.Glob("testdata/load/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := verdict(archive.Files[0].Name, archive.Files[0].Data)
			if *update {
				archive.Files = append(archive.Files[:1], txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(archive.Files[1].Data), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func verdict(name string, data []byte) string {
	f, err := rules.Load(name, data)
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, w := range rules.Lint(f) {
		b.WriteString("warning: " + w.Error() + "\n")
	}
	for _, a := range f.Alerts() {
		b.WriteString("alert " + a.Group + "/" + a.Name + " for " + a.For.String() + "\n")
	}
	if where, ok := f.Recording(); ok {
		b.WriteString(where.Error() + "\n")
	}
	return b.String()
}

func TestLoadTooLarge(t *testing.T) {
	_, err := rules.Load("big.yaml", make([]byte, rules.MaxBytes+1))
	if err == nil || !strings.Contains(err.Error(), "big.yaml: file of 1048577 bytes") {
		t.Errorf("got %v", err)
	}
}

// Aliases must not unfold into more work than the file is long.
func TestLoadAliasBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("groups:\n- &g\n  name: a\n  rules:\n  - &r {alert: A, expr: up}\n")
	b.WriteString(strings.Repeat("  - *r\n", 2000) + strings.Repeat("- *g\n", 2000))
	_, err := rules.Load("bomb.yaml", []byte(b.String()))
	if err == nil || !strings.Contains(err.Error(), "more than 200000 values") {
		t.Errorf("got %.200v", err)
	}
}

func FuzzLoad(f *testing.F) {
	paths, _ := filepath.Glob("testdata/load/*.txtar")
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	preset, err := rules.PresetSource("engram-scaling")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(preset)
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := rules.Load("fuzz.yaml", data)
		if (file == nil) == (err == nil) {
			t.Fatal("neither a file nor an error, or both")
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz.yaml") {
				t.Fatalf("names no file: %v", err)
			}
			return
		}
		rules.Lint(file)
		file.Recording()
		for _, a := range file.Alerts() {
			if _, err := rules.LongestRange(a.Expr); err != nil && !strings.Contains(err.Error(), "fixed time") {
				t.Fatal(err)
			}
		}
	})
}
