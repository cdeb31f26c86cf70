package testenv

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// module is the import path under which packages are built.
const module = "github.com/engramd/engramd"

// Build compiles a main package of this module, named like "testenv/workload", to a static binary and returns its path.
// Binaries are kept in the user's cache directory under a hash of the module's sources that they are made of, so that the
// second test finds it ready. A binary of that name in ENGRAMD_BINARIES is taken as it is.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	if dir := os.Getenv("ENGRAMD_BINARIES"); dir != "" {
		if ready := filepath.Join(dir, path.Base(pkg)); isFile(ready) {
			return ready
		}
	}
	binary, err := Binary(pkg)
	if err != nil {
		t.Fatalf("testenv: build %s: %v", pkg, err)
	}
	return binary
}

// Binary is Build for a program, which asks for no ready-made one.
func Binary(pkg string) (string, error) {
	pkg = path.Join(module, pkg)
	hash, err := sourceHash(pkg)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "engramd-testenv", hash)
	binary := filepath.Join(dir, path.Base(pkg))
	if isFile(binary) {
		return binary, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// A concurrent test may build the same: each builds to its own name, the last rename wins with the same bytes.
	scratch, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	made := filepath.Join(scratch, path.Base(pkg))
	if _, err := goTool("build", "-ldflags=-s -w", "-o", made, pkg); err != nil {
		return "", err
	}
	return binary, os.Rename(made, binary)
}

// sourceHash covers everything of this module that a package is made of, the versions of all others, and Go's.
func sourceHash(pkg string) (string, error) {
	listed, err := goTool("list", "-deps", "-f", `{{if and .Module .Module.Main}}{{.Dir}}{{end}}`, pkg)
	if err != nil {
		return "", err
	}
	root, err := goTool("list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOARCH, pkg)
	files := []string{filepath.Join(strings.TrimSpace(root), "go.mod"), filepath.Join(strings.TrimSpace(root), "go.sum")}
	for dir := range strings.Lines(listed) {
		// Embedded files count too, wherever they are below the package.
		err := filepath.WalkDir(strings.TrimSpace(dir), func(name string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && !strings.HasSuffix(name, "_test.go") {
				files = append(files, name)
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	slices.Sort(files)
	for _, name := range slices.Compact(files) {
		if err := addFile(sum, name); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:12]), nil
}

func addFile(sum io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Fprintln(sum, name)
	_, err = io.Copy(sum, f)
	return err
}

func goTool(args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("go %s: %w:\n%s", args[0], err, tail(exit.Stderr, 2000))
	}
	return string(out), err
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}
