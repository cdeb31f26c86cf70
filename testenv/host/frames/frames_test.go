package frames_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/engramd/engramd/testenv/host/frames"
)

func flush() error { return nil }

func TestOutputAndEndComeThrough(t *testing.T) {
	long := strings.Repeat("x", 3<<20) // more than a frame
	var wire, stdout, stderr bytes.Buffer
	w := frames.NewWriter(&wire, flush)
	for _, err := range []error{
		write(w, frames.Stdout, "out "), write(w, frames.Stderr, "err"), write(w, frames.Stdout, long), w.End(7, nil),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	code, err := frames.Copy(&stdout, &stderr, &wire)
	if code != 7 || err != nil || stdout.String() != "out "+long || stderr.String() != "err" {
		t.Errorf("exit code %d (%v), %d and %d bytes", code, err, stdout.Len(), stderr.Len())
	}
}

func write(w *frames.Writer, kind frames.Kind, text string) error {
	_, err := w.Stream(kind).Write([]byte(text))
	return err
}

func TestACommandThatCouldNotBeRunIsAnError(t *testing.T) {
	var wire bytes.Buffer
	if err := frames.NewWriter(&wire, flush).End(-1, errors.New("no such file")); err != nil {
		t.Fatal(err)
	}
	if _, err := frames.Copy(nil, nil, &wire); err == nil || err.Error() != "no such file" {
		t.Errorf("the error is %v", err)
	}
}

func FuzzCopy(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 1, 'x'})
	f.Add([]byte{3, 0, 0, 0, 2, '{', '}'})
	f.Add([]byte{1, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, wire []byte) {
		var out bytes.Buffer
		code, err := frames.Copy(&out, &out, bytes.NewReader(wire))
		if out.Len() > len(wire) || err == nil && !bytes.Contains(wire, []byte{byte(frames.End)}) {
			t.Errorf("%d bytes and code %d of %d bytes", out.Len(), code, len(wire))
		}
	})
}
