package vector

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/engramd/engramd/node/record"
)

// A Copy is a copy of the vector file as the last Checkpoint before BeginCopy left it, made while later ones go on: each puts
// aside what it is about to overwrite and the copy has not come by yet.
type Copy struct {
	view  *View
	file  *file
	size  int64
	aside Aside

	mu    sync.Mutex // held while slots are read, by the copy or by a checkpoint
	taken int64      // of the file, from its beginning
	saved map[record.Ord]bool
	err   error // of a checkpoint that could not put something aside
}

// An Aside keeps slots that are overwritten, at their own offsets: best the file to which the copy is written.
type Aside interface {
	io.ReaderAt
	io.WriterAt
}

// copyBytes is about how much of the file is read at a time.
const copyBytes = 1 << 20

// BeginCopy fixes the moment of a copy: call it where [store.Space.CopyBase] calls before, so that base and vectors are of one moment. It is nil if there
// is no vector file yet. Close must be called.
func (v *View) BeginCopy(aside Aside) *Copy {
	v.checkpointing.Lock()
	defer v.checkpointing.Unlock()
	f := v.file.Load()
	if f == nil {
		return nil
	}
	c := &Copy{view: v, file: f, size: f.size, aside: aside, saved: map[record.Ord]bool{}}
	v.copies = append(v.copies, c)
	return c
}

// Close ends the copy: checkpoints put nothing aside for it any more.
func (c *Copy) Close() {
	c.view.checkpointing.Lock()
	defer c.view.checkpointing.Unlock()
	c.view.copies = slices.DeleteFunc(c.view.copies, func(o *Copy) bool { return o == c })
}

// WriteTo implements io.WriterTo. It is called once.
func (c *Copy) WriteTo(w io.Writer) (int64, error) {
	buf := make([]byte, 0, copyBytes+c.file.stride)
	for c.taken < c.size {
		at := c.taken
		b, err := c.take(buf)
		if err == nil {
			_, err = w.Write(b)
		}
		if err != nil {
			return at, fmt.Errorf("copy %s: %w", c.file.path, err)
		}
	}
	return c.size, nil
}

// take reads what comes next: the header, or whole slots.
func (c *Copy) take(buf []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	begin, end := c.taken, int64(dataStart)
	stride := int64(c.file.stride)
	if begin > 0 {
		end = begin + max(1, copyBytes/stride)*stride
	}
	b := buf[:min(end, c.size)-begin]
	if n, err := c.file.f.ReadAt(b, begin); n < len(b) {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	for off := begin; off >= dataStart && off+stride <= begin+int64(len(b)); off += stride {
		ord := record.Ord((off - dataStart) / stride)
		if !c.saved[ord] {
			continue
		}
		delete(c.saved, ord)
		if _, err := c.aside.ReadAt(b[off-begin:off-begin+stride], off); err != nil {
			return nil, err
		}
	}
	c.taken = begin + int64(len(b))
	return b, nil
}

// save puts aside what is in the slots of drafts, which ascend.
func (c *Copy) save(drafts []draft) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slot := make([]byte, c.file.stride)
	for _, d := range drafts {
		off := c.file.offset(d.ord)
		if off < c.taken || off+int64(len(slot)) > c.size || c.saved[d.ord] {
			continue
		}
		_, err := c.file.f.ReadAt(slot, off)
		if err == nil {
			_, err = c.aside.WriteAt(slot, off)
		}
		if err != nil {
			c.err = fmt.Errorf("put aside the vector of ordinal %d: %w", d.ord, err)
			return
		}
		c.saved[d.ord] = true
	}
}
