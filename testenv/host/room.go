package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// Where things are inside.
const (
	treeDir = "/srv/engramd"   // packages, in their directories
	keptDir = "/srv/artifacts" // ENGRAMD_ARTIFACTS
)

// A Room is a package inside: its tests and its test data.
type Room struct {
	Package string // such as actuators/systemd
}

// Furnish builds the tests of a package, named by its directory below the module or as the go command names it, and brings
// them in with the package's testdata and the binaries that tests start.
func (g Guest) Furnish(ctx context.Context, pkg string) (Room, error) {
	where, err := locate(ctx, pkg)
	if err != nil {
		return Room{}, err
	}
	r := Room{Package: where.name()}
	if err := g.putTests(ctx, where, r); err != nil {
		return r, fmt.Errorf("bring the tests of %s in: %w", r.Package, err)
	}
	if err := g.putBinaries(ctx); err != nil {
		return r, fmt.Errorf("bring the binaries in: %w", err)
	}
	return r, nil
}

// A location is what the go command knows of a package.
type location struct {
	ImportPath, Dir string
	Module          struct{ Path, Dir string }
}

func (l location) name() string { return strings.TrimPrefix(l.ImportPath, l.Module.Path+"/") }

func locate(ctx context.Context, pkg string) (l location, err error) {
	if !strings.HasPrefix(pkg, ".") {
		pkg = path.Join("github.com/engramd/engramd", pkg)
	}
	out, err := exec.CommandContext(ctx, "go", "list", "-json=ImportPath,Dir,Module", pkg).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return l, fmt.Errorf("go list %s: %s", pkg, exit.Stderr)
	}
	if err != nil {
		return l, err
	}
	return l, json.Unmarshal(out, &l)
}

func (g Guest) putTests(ctx context.Context, from location, r Room) error {
	scratch, err := os.MkdirTemp("", "engramd-room-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	build := exec.CommandContext(ctx, "go", "test", "-c", "-ldflags=-s -w", "-o", filepath.Join(scratch, "test"), ".")
	build.Dir, build.Env = from.Dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go test -c: %w: %s", err, out)
	}
	if data := filepath.Join(from.Dir, "testdata"); exists(data) {
		if err := g.Put(ctx, data, path.Join(r.dir(), "testdata")); err != nil {
			return err
		}
	}
	// The artifacts' directory is named after the package's, below the one with go.mod.
	if err := g.Put(ctx, filepath.Join(from.Module.Dir, "go.mod"), path.Join(treeDir, "go.mod")); err != nil {
		return err
	}
	return g.Put(ctx, filepath.Join(scratch, "test"), path.Join(r.dir(), r.program()))
}

func (r Room) dir() string     { return path.Join(treeDir, r.Package) }
func (r Room) program() string { return path.Base(r.Package) + ".test" }

// Command runs those of the package's tests that match, as the go command would, and writes what they write.
func (r Room) Command(pattern string, out io.Writer, flags ...string) Command {
	return Command{
		Args: append([]string{"./" + r.program(), "-test.run=" + pattern, "-test.v", "-test.timeout=30m"}, flags...),
		Dir:  r.dir(),
		Env: []string{
			"ENGRAMD_E2E=host,docker", "ENGRAMD_E2E_INSIDE=host", "ENGRAMD_PATIENCE=6",
			"ENGRAMD_BINARIES=" + binariesDir, "ENGRAMD_ARTIFACTS=" + keptDir,
		},
		Stdout: out, Stderr: out,
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
