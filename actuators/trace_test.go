package actuators_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden traces")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestTraces plays every script of testdata in virtual time and compares what was done, and when,
// with its golden trace.
func TestTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { playFile(t, file) })
	}
}

func playFile(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var given string
	want := -1
	for i, f := range archive.Files {
		switch f.Name {
		case "given":
			given = string(f.Data)
		case "want":
			want = i
		}
	}
	if want < 0 {
		archive.Files = append(archive.Files, txtar.File{Name: "want"})
		want = len(archive.Files) - 1
	}
	var got string
	synctest.Test(t, func(t *testing.T) { got = parseScript(t, given).run(t) })
	if *update {
		archive.Files[want].Data = []byte(got)
		if text := txtar.Format(archive); !bytes.Equal(text, read(t, file)) {
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	if diff := cmp.Diff(strings.Split(string(archive.Files[want].Data), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("trace differs (-want +got); go test -run %s -update rewrites it:\n%s", t.Name(), diff)
	}
}

func read(t *testing.T, file string) []byte {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
