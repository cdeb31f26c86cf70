package host

import (
	"archive/tar"
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"

	"github.com/engramd/engramd/testenv"
)

// binariesDir is where the binaries are that tests inside start: ENGRAMD_BINARIES, by which testenv.Build finds them.
const binariesDir = "/opt/engramd"

var binaries = []string{"cmd/engramd", "testenv/workload"}

// A made is a binary that was built here. Inside a file tells which make is there, so that none is brought in twice.
type made struct {
	file, name, hash string
}

func build(pkg string) (made, error) {
	file, err := testenv.Binary(pkg)
	return made{file, path.Base(pkg), filepath.Base(filepath.Dir(file))}, err
}

func (m made) path() string { return path.Join(binariesDir, m.name) }
func (m made) mark() string { return path.Join(binariesDir, "made", m.name+"-"+m.hash) }

// payload is the disk that a machine boots with, a tar archive of /opt: the guest's program and the binaries. From a disk
// they come in much faster than over the network.
func payload() (*os.File, error) {
	guest, err := testenv.Binary("testenv/host/guest")
	if err != nil {
		return nil, err
	}
	f, err := unnamed()
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(f)
	err = pack(archive, guest, "guest")
	for _, pkg := range binaries {
		if err != nil {
			break
		}
		err = packBinary(archive, pkg)
	}
	if err = errors.Join(err, archive.Close()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func packBinary(archive *tar.Writer, pkg string) error {
	m, err := build(pkg)
	if err != nil {
		return err
	}
	if err := pack(archive, m.file, m.path()[len("/opt/"):]); err != nil {
		return err
	}
	return archive.WriteHeader(&tar.Header{Name: m.mark()[len("/opt/"):], Mode: 0o644})
}

// putBinaries brings in what is not there in just this make.
func (g Guest) putBinaries(ctx context.Context) error {
	for _, pkg := range binaries {
		m, err := build(pkg)
		if err != nil {
			return err
		}
		if code, err := g.Do(ctx, Command{Args: []string{"test", "-e", m.mark()}}); err != nil || code == 0 {
			if err != nil {
				return err
			}
			continue
		}
		// The old one may be running: it is replaced, and not written to.
		if _, err := g.Output(ctx, "sh", "-c", `mkdir -p "${2%/*}" && rm -f "$1" "$2"-*`, "sh", m.path(), path.Join(binariesDir, "made", m.name)); err != nil {
			return err
		}
		if err := g.Put(ctx, m.file, m.path()); err != nil {
			return err
		}
		if _, err := g.Output(ctx, "touch", m.mark()); err != nil {
			return err
		}
	}
	return nil
}

// unnamed opens a file that goes with its last descriptor.
func unnamed() (*os.File, error) {
	f, err := os.CreateTemp("", "engramd-host-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}
