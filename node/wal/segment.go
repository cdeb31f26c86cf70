package wal

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/engramd/engramd/node/disk"
)

const (
	suffix     = ".wal"
	unfinished = ".new" // a segment that is still being zero-written
	zeroChunk  = 1 << 20
)

// A segment is one file of the log.
type segment struct {
	number uint64
	salt   uint64
	size   int64
	file   disk.File
	off    int64 // where the next batch goes

	first, last uint64 // LSNs inside; zero: none
}

func (s *segment) name() string { return fmt.Sprintf("%012d-%016x%s", s.number, s.salt, suffix) }

// parseName reads what name wrote.
func parseName(name string) (s segment, ok bool) {
	base, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return s, false
	}
	number, salt, ok := strings.Cut(base, "-")
	if !ok {
		return s, false
	}
	var err1, err2 error
	s.number, err1 = strconv.ParseUint(number, 10, 64)
	s.salt, err2 = strconv.ParseUint(salt, 16, 64)
	return s, errors.Join(err1, err2) == nil && s.name() == name
}

// zeroed makes a segment of zeros whose bytes and name are durable.
func zeroed(fsys disk.FS, dir string, s *segment) error {
	name := path.Join(dir, s.name())
	f, err := fsys.Create(name + unfinished)
	if err != nil {
		return fmt.Errorf("create log segment: %w", err)
	}
	if err := writeZeros(f, s.size); err != nil {
		return fmt.Errorf("prepare log segment: %w", errors.Join(err, f.Close(), fsys.Remove(name+unfinished)))
	}
	if err := install(fsys, dir, name+unfinished, name); err != nil {
		return errors.Join(err, f.Close())
	}
	s.file = f
	return nil
}

func writeZeros(f disk.File, size int64) error {
	zeros := make([]byte, min(size, zeroChunk))
	for off := int64(0); off < size; off += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-off)], off); err != nil {
			return err
		}
	}
	return f.Sync()
}

func install(fsys disk.FS, dir, from, to string) error {
	if err := fsys.Rename(from, to); err != nil {
		return fmt.Errorf("name log segment: %w", err)
	}
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("sync the log's directory: %w", err)
	}
	return nil
}

// at reads the batch at off into buf, which grows as needed. ok tells whether it is valid.
func (s *segment) at(off int64, buf []byte) (h header, b []byte, ok bool, err error) {
	if off+headerBytes > s.size {
		return h, buf, false, nil
	}
	b, err = s.read(off, headerBytes, buf)
	if err != nil {
		return h, buf, false, err
	}
	if h, ok = parseHeader(b, s.salt); !ok || off+headerBytes+int64(h.size) > s.size {
		return h, b, false, nil
	}
	b, err = s.read(off, headerBytes+int(h.size), b)
	if err != nil {
		return h, buf, false, err
	}
	return h, b, h.valid(b), nil
}

func (s *segment) read(off int64, n int, buf []byte) ([]byte, error) {
	if cap(buf) < n {
		buf = make([]byte, n, max(n, 2*cap(buf)))
	}
	buf = buf[:n]
	got, err := s.file.ReadAt(buf, off)
	if err != nil && !(errors.Is(err, io.EOF) && got == n) {
		return buf, fmt.Errorf("read log segment %s at %d: %w", s.name(), off, err)
	}
	return buf, nil
}

// next returns the offset of the first valid batch at or after off, and its header.
func (s *segment) next(off int64, buf []byte) (int64, header, bool, error) {
	chunk := make([]byte, zeroChunk)
	for ; off < s.size; off += int64(len(chunk)) {
		chunk, err := s.read(off, int(min(zeroChunk, s.size-off)), chunk)
		if err != nil {
			return 0, header{}, false, err
		}
		for i := 0; i+headerBytes <= len(chunk); i += align {
			if _, ok := parseHeader(chunk[i:], s.salt); !ok {
				continue
			}
			h, b, ok, err := s.at(off+int64(i), buf)
			buf = b
			if ok || err != nil {
				return off + int64(i), h, ok, err
			}
		}
	}
	return 0, header{}, false, nil
}
