package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/engramd/engramd/policy"
)

// FileName is the file of events below data_dir; the ones rotated away are events.1.jsonl (the
// newest), events.2.jsonl and so on.
const FileName = "events.jsonl"

// A file appends events as JSON lines. It is opened at the first event, and again when somebody moved
// or removed it.
type file struct {
	dir      string
	maxBytes int64
	keep     int

	root *os.Root
	f    *os.File
	size int64
}

func (w *file) deliver(_ context.Context, e policy.Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	line = append(line, '\n')
	if err := w.ready(int64(len(line))); err != nil {
		return fmt.Errorf("%s: %w", FileName, err)
	}
	if _, err := w.f.Write(line); err != nil {
		// A full disk takes half a line; take it back, so that the next begins where a line begins.
		// Where even that fails, the next open ends the line.
		if w.f.Truncate(w.size) != nil {
			err = errors.Join(err, w.drop())
		}
		return fmt.Errorf("write %s: %w", FileName, err)
	}
	w.size += int64(len(line))
	return nil
}

// ready makes sure that the file is open, ours and not too long for n bytes more.
func (w *file) ready(n int64) error {
	if w.f != nil && !w.there() {
		if err := w.drop(); err != nil {
			return err
		}
	}
	if w.f == nil {
		if err := w.open(); err != nil {
			return err
		}
	}
	if w.size == 0 || w.size+n <= w.maxBytes {
		return nil
	}
	if err := w.drop(); err != nil {
		return err
	}
	if err := w.rotate(); err != nil {
		return err
	}
	return w.open()
}

// there reports whether the name still leads to the open file.
func (w *file) there() bool {
	ours, err := w.f.Stat()
	if err != nil {
		return false
	}
	named, err := w.root.Stat(FileName)
	return err == nil && os.SameFile(ours, named)
}

// open opens the file for appending and ends a line that was torn by a crash.
func (w *file) open() (err error) {
	if w.root == nil {
		if w.root, err = os.OpenRoot(w.dir); err != nil {
			return err
		}
	}
	f, err := w.root.OpenFile(FileName, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	w.f, w.size = f, st.Size()
	if w.size == 0 {
		return nil
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, w.size-1); err != nil && !errors.Is(err, io.EOF) {
		return errors.Join(err, w.drop())
	}
	if last[0] != '\n' {
		if _, err := f.Write([]byte{'\n'}); err != nil {
			return errors.Join(err, w.drop())
		}
		w.size++
	}
	return nil
}

// rotate moves each file to the next number and drops the oldest.
func (w *file) rotate() error {
	for n := w.keep; n > 0; n-- {
		err := w.root.Rename(rotated(n-1), rotated(n))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func rotated(n int) string {
	if n == 0 {
		return FileName
	}
	return fmt.Sprintf("events.%d.jsonl", n)
}

// drop closes the file; the next event opens it again.
func (w *file) drop() error {
	if w.f == nil {
		return nil
	}
	err := w.f.Close()
	w.f = nil
	return err
}

func (w *file) close() error {
	err := w.drop()
	if w.root != nil {
		err = errors.Join(err, w.root.Close())
		w.root = nil
	}
	return err
}
