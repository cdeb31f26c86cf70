package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"

	"gocloud.dev/gcerrors"
)

// partBytes is the length of the objects of an archive but the last of a file. What was written of an archive that was interrupted counts by parts.
const partBytes = 64 << 20

// ErrTaken: the bucket has another snapshot of this name.
var ErrTaken = errors.New("the bucket has another snapshot of this name")

// Archive copies a snapshot into a bucket: its files in parts, NAME/base.db.000000 and so on, each read back and compared, and at last NAME/manifest.json.
// It may be interrupted and called again, and does again only what is missing.
func (s *Shelf) Archive(ctx context.Context, bucketURL, name string) error {
	b, err := openBucket(ctx, bucketURL)
	if err != nil {
		return err
	}
	return errors.Join(s.archive(ctx, b, name), b.Close())
}

// ArchiveAll copies all snapshots that are whole into a bucket, the newest first, and returns which were not there before. What
// fails does not hinder the others.
func (s *Shelf) ArchiveAll(ctx context.Context, bucketURL string) (added []Info, err error) {
	b, err := openBucket(ctx, bucketURL)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	infos, err := s.List("")
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, i := range infos {
		if i.Damage != "" {
			continue
		}
		there, err := b.has(ctx, i)
		if err == nil && !there {
			if err = s.archive(ctx, b, i.Name); err == nil {
				added = append(added, i)
			}
		}
		if err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return added, errors.Join(errs...)
}

func (s *Shelf) archive(ctx context.Context, b *bucket, name string) error {
	i, done, err := s.use(name)
	if err != nil {
		return err
	}
	defer done()
	manifest, err := i.Manifest.seal()
	if err != nil {
		return err
	}
	key := path.Join(name, manifestFile)
	there, err := b.readSmall(ctx, key)
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound:
	case err != nil:
		return fmt.Errorf("archive %s to %s: %w", name, b.shown, err)
	case !bytes.Equal(there, manifest):
		return fmt.Errorf("%w: %s in %s; give each node a place of its own with ?prefix=", ErrTaken, name, b.shown)
	}
	for _, f := range i.Files {
		if err := s.archiveFile(ctx, b, name, f, there != nil); err != nil {
			if errors.Is(err, ErrDamaged) {
				err = s.judge(name, err)
			}
			return fmt.Errorf("archive %s to %s: %w", name, b.shown, err)
		}
	}
	if there == nil {
		err = b.put(ctx, key, bytes.NewReader(manifest))
	}
	if err == nil {
		err = b.settle()
	}
	if err != nil {
		return fmt.Errorf("archive %s to %s: %w", name, b.shown, err)
	}
	s.log.Info("snapshot archived", "name", name, "bucket", b.shown)
	return s.tell(name, func(t *Told) {
		t.ArchivedTo = slices.DeleteFunc(t.ArchivedTo, func(a Archive) bool { return a.URL == b.shown })
		t.ArchivedTo = append(t.ArchivedTo, Archive{URL: b.shown, At: s.opts.Now().UTC()})
	})
}

// archiveFile copies the parts that are missing. What is there is read back before it counts; where the manifest is there, that was done, and
// lengths will do.
func (s *Shelf) archiveFile(ctx context.Context, b *bucket, name string, f File, complete bool) (err error) {
	file, err := s.fs.Open(path.Join(name, f.Name))
	if err != nil {
		return damaged(name, f, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	whole := sha256.New()
	for n := range f.parts() {
		key, size := f.part(name, n)
		part := func() io.Reader { return reader{ctx, io.NewSectionReader(file, n*partBytes, size)} }
		there, err := b.Attributes(ctx, key)
		if err != nil && gcerrors.Code(err) != gcerrors.NotFound {
			return err
		}
		isThere := err == nil && there.Size == size
		if complete && isThere {
			continue
		}
		sum := sha256.New()
		if _, err := io.Copy(io.MultiWriter(sum, whole), part()); err != nil {
			return err
		}
		if isThere && b.compare(ctx, key, sum.Sum(nil)) == nil {
			continue
		}
		if err := b.put(ctx, key, part()); err != nil {
			return err
		}
		if err := b.compare(ctx, key, sum.Sum(nil)); err != nil {
			return err
		}
	}
	if complete {
		return nil // the manifest went there after all of this had been compared
	}
	return f.compare(name, File{Bytes: f.Bytes, SHA256: hex.EncodeToString(whole.Sum(nil))})
}

// parts returns how many parts f has in an archive, and part the key and the length of the nth.
func (f File) parts() int64 { return (f.Bytes + partBytes - 1) / partBytes }

func (f File) part(name string, n int64) (key string, size int64) {
	return path.Join(name, fmt.Sprintf("%s.%06d", f.Name, n)), min(partBytes, f.Bytes-n*partBytes)
}
