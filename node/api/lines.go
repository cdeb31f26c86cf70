package api

import (
	"bytes"
	"errors"
	"io"
)

// A lineReader cuts a stream into lines, in bounded memory.
type lineReader struct {
	r          io.Reader
	limit      int // of a line
	buf        []byte
	begin, end int // of what was read and not returned
	err        error
}

// errLongLine says that a line is longer than allowed; the next call goes on behind it.
var errLongLine = errors.New("the line is too long")

const lineBuffer = 256 << 10

// next returns the next line without its end, valid until the next call; io.EOF after the last one.
func (l *lineReader) next() ([]byte, error) {
	if l.buf == nil {
		l.buf = make([]byte, lineBuffer)
	}
	for seen := 0; ; {
		if i := bytes.IndexByte(l.buf[l.begin+seen:l.end], '\n'); i >= 0 {
			line := l.buf[l.begin : l.begin+seen+i]
			l.begin += seen + i + 1
			if len(line) > l.limit {
				return nil, errLongLine
			}
			return bytes.TrimSuffix(line, []byte{'\r'}), nil
		}
		seen = l.end - l.begin
		switch {
		case l.err != nil && l.err != io.EOF:
			return nil, l.err // the line may be half of one
		case l.err == io.EOF && seen == 0:
			return nil, io.EOF
		case l.err == io.EOF:
			line := l.buf[l.begin:l.end]
			l.begin = l.end
			if len(line) > l.limit {
				return nil, errLongLine
			}
			return line, nil
		case seen > l.limit:
			return nil, l.skip()
		}
		l.fill()
	}
}

// more tells whether there is a whole line that next returns without reading.
func (l *lineReader) more() bool { return bytes.IndexByte(l.buf[l.begin:l.end], '\n') >= 0 }

// fill reads once.
func (l *lineReader) fill() {
	if l.begin > 0 {
		copy(l.buf, l.buf[l.begin:l.end])
		l.begin, l.end = 0, l.end-l.begin
	}
	if l.end == len(l.buf) {
		l.buf = append(l.buf, make([]byte, len(l.buf))...)
	}
	n, err := l.r.Read(l.buf[l.end:])
	l.end, l.err = l.end+n, err
}

// skip drops the rest of a line.
func (l *lineReader) skip() error {
	for {
		if i := bytes.IndexByte(l.buf[l.begin:l.end], '\n'); i >= 0 {
			l.begin += i + 1
			return errLongLine
		}
		l.begin, l.end = 0, 0
		if l.err == io.EOF {
			return errLongLine
		}
		if l.err != nil {
			return l.err
		}
		l.fill()
	}
}
