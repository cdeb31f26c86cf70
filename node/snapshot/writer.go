package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"time"

	"github.com/engramd/engramd/node/disk"
)

const (
	block     = 4 << 10 // zeros of this length and alignment become holes
	copyBytes = 1 << 20
	// syncBytes is how much is written between two syncs. After each the writer waits as long as the sync took: the log, whose own
	// syncs wait behind it, gets half of the disk's time.
	syncBytes = 1 << 20
)

// A writer writes a file from its beginning to its end, and knows its checksum.
type writer struct {
	ctx   context.Context // of the one call that writes
	f     disk.File
	hash  hash.Hash
	at    int64
	dirty int64
	hole  bool         // the last byte was not written
	stop  func() error // why there is no sense in going on; nil: nothing but the context ends it
}

func newWriter(ctx context.Context, f disk.File) *writer {
	return &writer{ctx: ctx, f: f, hash: sha256.New()}
}

var zeros [block]byte

// Write implements io.Writer.
func (w *writer) Write(b []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	if w.stop != nil {
		if err := w.stop(); err != nil {
			return 0, err
		}
	}
	w.hash.Write(b)
	for n := 0; n < len(b); {
		m := w.stretch(b[n:])
		piece := b[n : n+m]
		if w.hole = m == block && bytes.Equal(piece, zeros[:]); !w.hole {
			if _, err := w.f.WriteAt(piece, w.at); err != nil {
				return n, err
			}
			w.dirty += int64(m)
		}
		w.at += int64(m)
		n += m
	}
	if w.dirty < syncBytes {
		return len(b), nil
	}
	w.dirty = 0
	return len(b), w.yield()
}

// yield syncs, and gives others their turn.
func (w *writer) yield() error {
	begin := time.Now()
	if err := w.f.Sync(); err != nil {
		return err
	}
	turn := time.NewTimer(time.Since(begin))
	defer turn.Stop()
	select {
	case <-turn.C:
		return nil
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	}
}

// stretch returns how much of b is written, or left out, at once.
func (w *writer) stretch(b []byte) int {
	if w.at%block != 0 {
		return min(len(b), block-int(w.at%block))
	}
	n := 0
	for ; n+block <= len(b); n += block {
		if b[n] == 0 && bytes.Equal(b[n:n+block], zeros[:]) {
			break
		}
	}
	switch {
	case n > 0:
		return n
	default:
		return min(len(b), block)
	}
}

// finish makes the file durable in its length, and tells about it.
func (w *writer) finish(name string) (File, error) {
	if w.hole {
		if _, err := w.f.WriteAt([]byte{0}, w.at-1); err != nil {
			return File{}, err
		}
	}
	if err := w.f.Sync(); err != nil {
		return File{}, err
	}
	return File{Name: name, Bytes: w.at, SHA256: hex.EncodeToString(w.hash.Sum(nil))}, nil
}

// A reader reads a file from its beginning, until the context ends.
type reader struct {
	ctx context.Context // of the one call that reads
	r   io.Reader
}

// Read implements io.Reader.
func (r reader) Read(b []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(b)
}

// copyFile copies from, whose length is size, into a new file of to. It returns what it copied.
func copyFile(ctx context.Context, to disk.FS, path, name string, from io.Reader) (f File, err error) {
	file, err := to.Create(path)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := newWriter(ctx, file)
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{from}, make([]byte, copyBytes)); err != nil {
		return f, err
	}
	return w.finish(name)
}
