package host

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestTheImageIsMadeOnceAndWhole(t *testing.T) {
	dir := t.TempDir()
	makes := 0
	script := func(scratch string) error {
		makes++
		return os.WriteFile(filepath.Join(scratch, "disk.img"), nil, 0o644)
	}
	for _, leftover := range []string{"an-older-key", "build-of-a-killed-one"} {
		if err := os.MkdirAll(filepath.Join(dir, leftover, "root"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		img, err := cache{dir, "key", script}.find()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(img.disk()); err != nil {
			t.Error(err)
		}
	}
	if makes != 1 {
		t.Errorf("it was made %d times", makes)
	}
	expectFiles(t, dir, "key", "lock")
}

func TestAFailedImageLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	script := func(scratch string) error {
		return errors.Join(os.WriteFile(filepath.Join(scratch, "disk.img"), nil, 0o644), errors.New("no network"))
	}
	if _, err := (cache{dir, "key", script}).find(); err == nil {
		t.Error("an image that could not be made was found")
	}
	expectFiles(t, dir, "lock")
}

func expectFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("in the cache are %v, want %v", got, want)
	}
}
