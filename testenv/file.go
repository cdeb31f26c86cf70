package testenv

import (
	"os"
	"testing"
)

// File returns a file or directory that a Debian package brings, such as data to test with; it installs the package if it is missing. Call it
// after Need.
func File(t testing.TB, path, debianPackage string) string {
	t.Helper()
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := install([]string{debianPackage}); err != nil {
		t.Fatalf("testenv: %s: %v", path, err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("testenv: still missing after installing %s: %v", debianPackage, err)
	}
	return path
}
