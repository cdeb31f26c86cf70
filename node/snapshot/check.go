package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/store"
)

// Verify reads all of a snapshot and compares it with what was written. An error that wraps ErrDamaged names the file.
func (s *Shelf) Verify(ctx context.Context, name string) (Info, error) {
	i, done, err := s.use(name)
	if err != nil {
		return i, err
	}
	defer done()
	_, err = s.check(ctx, name, i.Files)
	if err := s.judge(name, err); err != nil {
		return i, err
	}
	return s.info(name)
}

// judge notes what reading all of a snapshot ended with, and returns it.
func (s *Shelf) judge(name string, err error) error {
	switch {
	case err == nil:
		return s.tell(name, func(t *Told) { t.VerifiedAt, t.Damage = s.opts.Now().UTC(), "" })
	case errors.Is(err, ErrDamaged):
		s.log.Error("a snapshot is damaged", "name", name, "error", err)
		return errors.Join(err, s.tell(name, func(t *Told) { t.Damage = err.Error() }))
	}
	return err
}

// check reads all files in dir: their bytes, and whether those of the base are a base.
func (s *Shelf) check(ctx context.Context, dir string, files []File) (store.BaseReport, error) {
	for _, f := range files {
		if err := s.checkFile(ctx, dir, f); err != nil {
			return store.BaseReport{}, err
		}
	}
	r, err := store.Inspect(ctx, s.path(filepath.Join(dir, baseFile)))
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return r, err
}

func (s *Shelf) checkFile(ctx context.Context, dir string, f File) (err error) {
	file, err := s.fs.Open(path.Join(dir, f.Name))
	if err != nil {
		return damaged(dir, f, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	sum := sha256.New()
	n, err := io.CopyBuffer(sum, reader{ctx, all(file)}, make([]byte, copyBytes))
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return damaged(dir, f, err)
	}
	return f.compare(dir, File{Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))})
}

// all reads a file to its end.
func all(f disk.File) io.Reader { return io.NewSectionReader(f, 0, 1<<62) }

// compare tells whether got is f.
func (f File) compare(dir string, got File) error {
	switch {
	case got.Bytes != f.Bytes:
		return damaged(dir, f, fmt.Errorf("it has %d bytes where %d were written", got.Bytes, f.Bytes))
	case got.SHA256 != f.SHA256:
		return damaged(dir, f, errors.New("its SHA-256 is not that of what was written"))
	}
	return nil
}

func damaged(dir string, f File, cause error) error {
	return fmt.Errorf("%w: %s/%s: %w", ErrDamaged, dir, f.Name, cause)
}

// Fill writes the files of a snapshot into dir, which is outside of the shelf, synced. What it returns nil for is what was once taken: every byte is checked on the way.
func (s *Shelf) Fill(ctx context.Context, name, dir string) (err error) {
	i, done, err := s.use(name)
	if err != nil {
		return err
	}
	defer done()
	if err := s.room(dir, i.Bytes); err != nil {
		return fmt.Errorf("restore %s: %w", name, err)
	}
	to, err := disk.NewOS(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	for _, f := range i.Files {
		if err := s.fillFile(ctx, to, name, f); err != nil {
			return s.judge(name, err)
		}
	}
	if err := s.judge(name, nil); err != nil {
		s.log.Warn("cannot note that a snapshot was read", "name", name, "error", err) // no reason not to restore it
	}
	return to.SyncDir(".")
}

func (s *Shelf) fillFile(ctx context.Context, to disk.FS, name string, f File) error {
	from, err := s.fs.Open(path.Join(name, f.Name))
	if err != nil {
		return damaged(name, f, err)
	}
	got, err := copyFile(ctx, to, f.Name, f.Name, all(from))
	if err := errors.Join(err, from.Close()); err != nil {
		return fmt.Errorf("restore %s: %w", name, asFull(err))
	}
	return f.compare(name, got)
}
