package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Archived returns the snapshots that a bucket has whole, the newest first.
func Archived(ctx context.Context, bucketURL string) (infos []Info, err error) {
	b, err := openBucket(ctx, bucketURL)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	list := b.List(&blob.ListOptions{Delimiter: "/"})
	for {
		o, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			sortNewest(infos)
			return infos, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", b.shown, err)
		}
		name := strings.TrimSuffix(o.Key, "/")
		if _, err := ParseName(name); err != nil || !o.IsDir {
			continue
		}
		i, err := b.info(ctx, name)
		switch {
		case errors.Is(err, ErrNotFound): // on its way there
		case errors.Is(err, ErrDamaged):
			n, _ := ParseName(name)
			infos = append(infos, Info{Manifest: Manifest{Name: name, Space: n.Space, CreatedAt: n.At}, Told: Told{Damage: err.Error()}})
		case err != nil:
			return nil, err
		default:
			infos = append(infos, i)
		}
	}
}

// info reads the manifest of an archive.
func (b *bucket) info(ctx context.Context, name string) (i Info, err error) {
	raw, err := b.readSmall(ctx, path.Join(name, manifestFile))
	if gcerrors.Code(err) == gcerrors.NotFound {
		return i, fmt.Errorf("%w: %s in %s", ErrNotFound, name, b.shown)
	}
	if err == nil {
		i.Manifest, err = readManifest(raw, name)
	}
	if err != nil {
		return i, fmt.Errorf("read %s in %s: %w", name, b.shown, err)
	}
	for _, f := range i.Files {
		i.Bytes += f.Bytes
	}
	i.ArchivedTo = []Archive{{URL: b.shown}}
	return i, nil
}

// Fetch brings a snapshot from a bucket back, whole or not at all, every byte checked. One that is there already is left as it is; if it is damaged, delete it first.
func (s *Shelf) Fetch(ctx context.Context, bucketURL, name string) (_ Info, err error) {
	n, err := ParseName(name)
	if err != nil {
		return Info{}, err
	}
	b, err := openBucket(ctx, bucketURL)
	if err != nil {
		return Info{}, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	done, err := s.turn(ctx)
	if err != nil {
		return Info{}, err
	}
	defer done()
	there, err := b.info(ctx, name)
	if err != nil {
		return Info{}, err
	}
	if i, err := s.info(name); !errors.Is(err, ErrNotFound) {
		return i, sameSnapshot(i, there, err)
	}
	if err := s.room(s.opts.Dir, there.Bytes); err != nil {
		return Info{}, fmt.Errorf("fetch %s: %w", name, err)
	}
	if err := s.shelve(n, func(dir string) error { return s.fetch(ctx, b, there, dir) }); err != nil {
		return Info{}, fmt.Errorf("fetch %s from %s: %w", name, b.shown, err)
	}
	s.log.Info("snapshot fetched", "name", name, "bucket", b.shown)
	return s.info(name)
}

// sameSnapshot tells whether what is here, or err, is what is there.
func sameSnapshot(here, there Info, err error) error {
	if err != nil {
		return err
	}
	a, err := here.seal()
	if err != nil {
		return err
	}
	b, err := there.seal()
	if err == nil && string(a) != string(b) {
		err = fmt.Errorf("%w, %s, as this node", ErrTaken, here.Name)
	}
	return err
}

// fetch fills dir.
func (s *Shelf) fetch(ctx context.Context, b *bucket, i Info, dir string) error {
	for _, f := range i.Files {
		from := &parts{ctx: ctx, bucket: b, name: i.Name, file: f}
		got, err := copyFile(ctx, s.fs, path.Join(dir, f.Name), f.Name, from)
		if err := errors.Join(err, from.close()); err != nil {
			return err
		}
		if err := f.compare(i.Name, got); err != nil {
			return err
		}
	}
	if _, err := s.check(ctx, dir, i.Files); err != nil {
		return err
	}
	if err := s.writeManifest(dir, i.Manifest); err != nil {
		return err
	}
	return s.tell(dir, func(t *Told) {
		t.ArchivedTo = []Archive{{URL: b.shown, At: s.opts.Now().UTC()}}
	})
}

// parts reads a file of an archive part by part.
type parts struct {
	ctx    context.Context // of the one call that reads
	bucket *bucket
	name   string
	file   File
	next   int64
	open   io.ReadCloser // nil between two
}

// Read implements io.Reader.
func (p *parts) Read(b []byte) (int, error) {
	for {
		if p.open == nil {
			if p.next == p.file.parts() {
				return 0, io.EOF
			}
			key, _ := p.file.part(p.name, p.next)
			r, err := p.bucket.NewReader(p.ctx, key, nil)
			if gcerrors.Code(err) == gcerrors.NotFound {
				return 0, fmt.Errorf("%w: %s is missing", ErrDamaged, key)
			}
			if err != nil {
				return 0, err
			}
			p.open, p.next = r, p.next+1
		}
		n, err := p.open.Read(b)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		if err := p.close(); err != nil || n > 0 {
			return n, err
		}
	}
}

func (p *parts) close() error {
	if p.open == nil {
		return nil
	}
	err := p.open.Close()
	p.open = nil
	return err
}
