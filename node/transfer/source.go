package transfer

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
)

// Stdin is the name of the standard input, and of the standard output.
const Stdin = "-"

// A source is a file of lines that is read, unpacked. A request may read in a goroutine of its own, and go on for a moment
// when nobody wants it any more.
type source struct {
	size int64        // of the file as it is stored; 0: not known
	raw  atomic.Int64 // read of size

	mu    sync.Mutex // held while somebody reads
	lines *bufio.Reader
	fault error // why reading ended, if not at the end

	file   io.Closer // nil: the standard input, which is nobody's to close
	unpack func() error
}

// open opens a file, or in if it is [Stdin].
func open(name string, in io.Reader) (*source, error) {
	s := &source{}
	if name != Stdin {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			s.size = info.Size()
		}
		in, s.file = f, f
	}
	plain, done, err := unpack(name, &counting{in, &s.raw})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), closed(s.file))
	}
	s.lines, s.unpack = bufio.NewReaderSize(plain, 256<<10), done
	return s, nil
}

func closed(c io.Closer) error {
	if c == nil {
		return nil
	}
	return c.Close()
}

// Read implements io.Reader. It remembers why it ended: the request itself would only say that it was cut off.
func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.lines.Read(p)
	if err != nil && err != io.EOF && s.fault == nil {
		s.fault = err
	}
	return n, err
}

// close ends whoever still reads, and returns why reading had ended before.
func (s *source) close() error {
	if s.file == nil {
		return s.ended()
	}
	fault := s.ended()
	_ = s.file.Close() // it was only read
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.unpack()
	return fault
}

// ended returns why reading ended; somebody who waits for the standard input does not hold it up.
func (s *source) ended() error {
	if !s.mu.TryLock() {
		return nil
	}
	defer s.mu.Unlock()
	return s.fault
}

// skip reads over lines. It is no error if there are fewer: whoever skips has been there.
func (s *source) skip(lines int) error {
	for range lines {
		for {
			_, err := s.lines.ReadSlice('\n')
			if err == nil {
				break
			}
			if err == io.EOF {
				return nil
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				return err
			}
		}
	}
	return nil
}

// unpack undoes the compression that a name's suffix tells.
func unpack(name string, r io.Reader) (plain io.Reader, done func() error, err error) {
	switch {
	case strings.HasSuffix(name, ".gz"):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	case strings.HasSuffix(name, ".zst"):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, err
		}
		return z, func() error { z.Close(); return nil }, nil
	}
	return r, func() error { return nil }, nil
}

// counting counts what is read. The request that reads may be in another goroutine.
type counting struct {
	r    io.Reader
	read *atomic.Int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.read.Add(int64(n))
	return n, err
}
