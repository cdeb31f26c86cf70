package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A note is a small file beside the lines that says how far an import of them came. There is none for the standard input.
type note struct {
	path  string
	space string
	every *time.Time // of the last one
}

// noteEvery is how often the note is written while an import goes on: one that is killed sends at most as much twice, which is
// harmless.
const noteEvery = time.Second

func noteOf(file, space string) note {
	if file == Stdin {
		return note{}
	}
	return note{path: file + ".resume", space: space, every: new(time.Time)}
}

type noted struct {
	Space   string `json:"space"`
	Through int    `json:"through"`
}

// read returns the last line that is done, 0 if there is no note.
func (n note) read() (int, error) {
	if n.path == "" {
		return 0, errors.New("the standard input cannot be resumed: say with which line to go on")
	}
	text, err := os.ReadFile(n.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	var was noted
	if err == nil {
		err = json.Unmarshal(text, &was)
	}
	if err != nil {
		return 0, fmt.Errorf("read %s (remove it to begin again): %w", n.path, err)
	}
	if was.Space != n.space {
		return 0, fmt.Errorf("%s is of an import into the space %q: name that space, or remove the file to begin again", n.path, was.Space)
	}
	return was.Through, nil
}

// keep writes the note if the last one is old. Where it cannot be written there is none, and the import goes on: whoever asks for
// one at the end is told.
func (n note) keep(through int) {
	if n.path == "" || time.Since(*n.every) < noteEvery {
		return
	}
	*n.every = time.Now()
	_ = n.write(through)
}

// write replaces the note.
func (n note) write(through int) error {
	if n.path == "" {
		return errors.New("there is no note of the standard input")
	}
	text, err := json.Marshal(noted{n.space, through})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(n.path), ".resume-*")
	if err != nil {
		return fmt.Errorf("note how far the import came: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), n.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("note how far the import came: %w", err), os.Remove(f.Name()))
	}
	return nil
}

func (n note) remove() error {
	if n.path == "" {
		return nil
	}
	if err := os.Remove(n.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
