package host

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestFilesGoThroughAnArchive(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"a": "one", "b/c": "two"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(from, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(from, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var text bytes.Buffer
	archive := tar.NewWriter(&text)
	if err := pack(archive, from, "deep/down"); err != nil {
		t.Fatal(err)
	}
	if err := pack(archive, filepath.Join(from, "a"), "alone"); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unpack(&text, to); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"deep/down/a": "one", "deep/down/b/c": "two", "alone": "one"} {
		if got, err := os.ReadFile(filepath.Join(to, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q (%v), want %q", name, got, err, want)
		}
	}
}

func TestNothingIsUnpackedOutside(t *testing.T) {
	var text bytes.Buffer
	archive := tar.NewWriter(&text)
	if err := archive.WriteHeader(&tar.Header{Name: "../out", Typeflag: tar.TypeReg, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "in")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unpack(&text, dir); err == nil {
		t.Error("a file was written beside the directory")
	}
	expectFiles(t, filepath.Dir(dir), "in")
}
