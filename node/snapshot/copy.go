package snapshot

import (
	"bufio"
	"context"
	"errors"
	"path"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/store"
	"github.com/engramd/engramd/node/vector"
)

// Copy writes the files of a space, as they are at one moment, into dir of to, beside readers and writers. It returns them, synced, and the dimension
// of the space at that moment.
func Copy(ctx context.Context, space *store.Space, to disk.FS, dir string) (files []File, dimension int, err error) {
	base, err := to.Create(path.Join(dir, baseFile))
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, base.Close()) }()
	v := &vectorCopy{space: space, to: to, path: path.Join(dir, vectorFile)}
	defer func() {
		err = errors.Join(err, v.close())
		if gone := space.Err(); err != nil && gone != nil {
			err = gone // its files were closed meanwhile
		}
	}()
	w := newWriter(ctx, base)
	w.stop = space.Err
	buffered := bufio.NewWriterSize(w, copyBytes)
	_, err = space.CopyBase(buffered, func(uint64) error {
		dimension = space.Dimension() // a vector that is in the base fixed it before
		return v.begin()
	})
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return nil, 0, err
	}
	f, err := w.finish(baseFile)
	if err != nil {
		return nil, 0, err
	}
	files = append(files, f)
	if v.copy == nil {
		return files, dimension, nil
	}
	f, err = v.write(ctx)
	return append(files, f), dimension, err
}

// A vectorCopy is the copy of the vectors beside that of the base.
type vectorCopy struct {
	space *store.Space
	to    disk.FS
	path  string
	file  disk.File
	copy  *vector.Copy // nil: there are none
}

// begin fixes its moment.
func (v *vectorCopy) begin() (err error) {
	for _, view := range v.space.Views() {
		view, ok := view.(*vector.View)
		if !ok || view.Stats().FileBytes == 0 {
			continue
		}
		if v.file, err = v.to.Create(v.path); err != nil {
			return err
		}
		v.copy = view.BeginCopy(v.file)
	}
	return nil
}

func (v *vectorCopy) write(ctx context.Context) (File, error) {
	w := newWriter(ctx, v.file)
	w.stop = v.space.Err
	if _, err := v.copy.WriteTo(w); err != nil {
		return File{}, err
	}
	return w.finish(vectorFile)
}

func (v *vectorCopy) close() error {
	if v.copy != nil {
		v.copy.Close()
	}
	if v.file == nil {
		return nil
	}
	return v.file.Close()
}
