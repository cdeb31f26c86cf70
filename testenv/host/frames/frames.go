// Package frames is what the host VM and the tests outside say to each other about one command: a [Command] goes in, and its
// output comes back as frames of one stream, the last of which tells how it ended.
package frames

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A Command is one to run.
type Command struct {
	Args  []string
	Dir   string   `json:",omitempty"`
	Env   []string `json:",omitempty"` // beside the guest's own
	Input bool     `json:",omitempty"` // the request's body is its standard input
}

// A Kind of frame tells what its bytes are.
type Kind byte

// What frames carry: output, or the end of the command.
const (
	Stdout Kind = 1 + iota
	Stderr
	End
)

// ending is what the last frame holds.
type ending struct {
	Code int
	Err  string `json:",omitempty"`
}

// maxFrame bounds what a reader allocates.
const maxFrame = 1 << 20

// A Writer sends frames. Its streams may be used beside one another.
type Writer struct {
	mu    sync.Mutex
	w     io.Writer
	flush func() error
}

// NewWriter returns a Writer to w, which is flushed after every frame.
func NewWriter(w io.Writer, flush func() error) *Writer { return &Writer{w: w, flush: flush} }

type stream struct {
	*Writer
	kind Kind
}

// Stream is the end that a command writes its output to.
func (w *Writer) Stream(kind Kind) io.Writer { return stream{w, kind} }

func (s stream) Write(text []byte) (int, error) {
	for rest := text; len(rest) > 0; {
		n := min(len(rest), maxFrame)
		if err := s.send(s.kind, rest[:n]); err != nil {
			return len(text) - len(rest), err
		}
		rest = rest[n:]
	}
	return len(text), nil
}

// End tells how the command ended: its exit code, or why it could not be run.
func (w *Writer) End(code int, err error) error {
	e := ending{Code: code}
	if err != nil {
		e.Err = err.Error()
	}
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return w.send(End, text)
}

func (w *Writer) send(kind Kind, text []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	frame := binary.BigEndian.AppendUint32([]byte{byte(kind)}, uint32(len(text)))
	if _, err := w.w.Write(append(frame, text...)); err != nil {
		return err
	}
	return w.flush()
}

// Copy reads frames to their end, passes the output on, and returns the command's exit code.
func Copy(stdout, stderr io.Writer, r io.Reader) (code int, err error) {
	for {
		var head [5]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return -1, fmt.Errorf("the command's end is missing: %w", err)
		}
		size := binary.BigEndian.Uint32(head[1:])
		if size > maxFrame {
			return -1, fmt.Errorf("a frame of %d bytes", size)
		}
		text := make([]byte, size)
		if _, err := io.ReadFull(r, text); err != nil {
			return -1, fmt.Errorf("a frame is cut off: %w", err)
		}
		switch Kind(head[0]) {
		case Stdout:
			_, err = stdout.Write(text)
		case Stderr:
			_, err = stderr.Write(text)
		case End:
			return end(text)
		default:
			err = fmt.Errorf("an unknown frame %d", head[0])
		}
		if err != nil {
			return -1, err
		}
	}
}

func end(text []byte) (int, error) {
	var e ending
	if err := json.Unmarshal(text, &e); err != nil {
		return -1, fmt.Errorf("the command's end: %w", err)
	}
	if e.Err != "" {
		return e.Code, errors.New(e.Err)
	}
	return e.Code, nil
}
