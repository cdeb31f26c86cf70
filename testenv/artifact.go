package testenv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Artifacts returns a directory for what the test leaves to look at: its own folder under ENGRAMD_ARTIFACTS, which stays,
// or a temporary one, which goes with the test.
func Artifacts(t testing.TB) string {
	t.Helper()
	root := os.Getenv("ENGRAMD_ARTIFACTS")
	if root == "" {
		return t.TempDir()
	}
	dir := filepath.Join(root, fileName(t.Name()))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatalf("testenv: make the artifacts' directory: %v", err)
	}
	return dir
}

// fileName makes one file name of a test's name, whose parts are joined with slashes.
func fileName(test string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r == ':' || r <= ' ' {
			return '-'
		}
		return r
	}, test)
}
