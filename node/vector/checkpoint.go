package vector

import (
	"cmp"
	"fmt"
	"os"
	"slices"

	"github.com/engramd/engramd/node/record"
)

// writeBytes is how much is written at a time.
const writeBytes = 1 << 20

// A draft is a vector on its way into the file.
type draft struct {
	ord     record.Ord
	version uint64
	vector  []float32
}

// Checkpoint implements store.View. On an error everything stays pending, and the next Checkpoint writes it
// again, whole: nothing rests on what a failed write or sync may have left.
func (v *View) Checkpoint(uint64) error {
	v.checkpointing.Lock()
	defer v.checkpointing.Unlock()
	drafts, err := v.drafts()
	if err != nil || len(drafts) == 0 {
		return err
	}
	f, err := v.reach(len(drafts[0].vector), drafts[len(drafts)-1].ord)
	if err != nil {
		return fmt.Errorf("vectors: %w", err)
	}
	for _, c := range v.copies {
		c.save(drafts)
	}
	if err := f.write(drafts); err != nil {
		return fmt.Errorf("vectors: write %s: %w", f.path, err)
	}
	v.written(drafts)
	return nil
}

// drafts returns what is pending, by ordinal.
func (v *View) drafts() ([]draft, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.closed {
		return nil, os.ErrClosed
	}
	out := make([]draft, 0, len(v.pending))
	for ord, vector := range v.pending {
		out = append(out, draft{ord, v.rows[ord].version, vector})
	}
	slices.SortFunc(out, func(a, b draft) int { return cmp.Compare(a.ord, b.ord) })
	return out, nil
}

// reach returns the file, made if need be, with a slot for ord.
func (v *View) reach(dim int, ord record.Ord) (*file, error) {
	f := v.file.Load()
	if f == nil {
		var err error
		if f, err = createFile(v.opts.FS, v.opts.Dir, dim); err != nil {
			return nil, err
		}
		v.file.Store(f)
	}
	return f, f.reach(ord)
}

// write writes drafts, neighbours together, and makes them durable.
func (f *file) write(drafts []draft) error {
	buf := make([]byte, 0, min(writeBytes+f.stride, len(drafts)*f.stride))
	var at int64
	for i, d := range drafts {
		if len(buf) == 0 {
			at = f.offset(d.ord)
		}
		buf = f.appendSlot(buf, d.ord, d.version, d.vector)
		last := i == len(drafts)-1
		if !last && drafts[i+1].ord == d.ord+1 && len(buf) < writeBytes {
			continue
		}
		if _, err := f.f.WriteAt(buf, at); err != nil {
			return err
		}
		buf = buf[:0]
	}
	return f.f.Sync()
}

// written lets go of what is in the file now. What changed meanwhile stays pending.
func (v *View) written(drafts []draft) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, d := range drafts {
		r := v.row(d.ord)
		if r.version == d.version && r.state&isPending != 0 {
			r.state = r.state&^isPending | isChecked
			v.set(d.ord, r)
			delete(v.pending, d.ord)
		}
	}
}
