package testenv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Artifacts returns a directory for what the test leaves to look at: ENGRAMD_ARTIFACTS/package/test, which stays, or a
// temporary one, which goes with the test.
func Artifacts(t testing.TB) string {
	t.Helper()
	root := os.Getenv("ENGRAMD_ARTIFACTS")
	if root == "" {
		return t.TempDir()
	}
	dir := filepath.Join(root, fileName(packageName()), fileName(t.Name()))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatalf("testenv: make the artifacts' directory: %v", err)
	}
	return dir
}

// packageName is the tested package's directory below the module's root: go test runs there. Elsewhere it is the test
// binary's name.
func packageName() string {
	here, err := os.Getwd()
	for dir := here; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if isFile(filepath.Join(dir, "go.mod")) {
			return strings.TrimPrefix(strings.TrimPrefix(here, dir), string(filepath.Separator))
		}
	}
	return strings.TrimSuffix(filepath.Base(os.Args[0]), ".test")
}

// fileName makes one file name of a name whose parts are joined with slashes.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r == ':' || r <= ' ' {
			return '-'
		}
		return r
	}, name)
}
