package transfer

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// A sink is a file that is written whole or not at all.
type sink struct {
	io.Writer
	finish  func() error // all of it is there
	discard func()       // it is not
}

// create begins a file, or writes to out if it is [Stdin]. Under its name it is there only when it is finished.
func create(name string, out io.Writer) (*sink, error) {
	if name == Stdin {
		w := bufio.NewWriterSize(out, 256<<10)
		return &sink{Writer: w, finish: w.Flush, discard: func() {}}, nil
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return nil, err
	}
	w := bufio.NewWriterSize(f, 256<<10)
	packed, done, err := pack(name, w)
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	s := &sink{Writer: packed}
	s.discard = func() { _ = errors.Join(f.Close(), os.Remove(f.Name())) }
	s.finish = func() error {
		err := errors.Join(done(), w.Flush(), f.Chmod(0o644), f.Sync(), f.Close())
		if err == nil {
			err = os.Rename(f.Name(), name)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(f.Name()))
		}
		return nil
	}
	return s, nil
}

// pack compresses as a name's suffix tells.
func pack(name string, w io.Writer) (packed io.Writer, done func() error, err error) {
	switch {
	case strings.HasSuffix(name, ".gz"):
		z := gzip.NewWriter(w)
		return z, z.Close, nil
	case strings.HasSuffix(name, ".zst"):
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return w, func() error { return nil }, nil
}
