package cgroup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// maxFile bounds what is read of one file; the kernel's own are a few KiB.
const maxFile = 4 << 20

// readFile reads a kernel file of bounded size. A file of a removed group answers ENODEV: it does not
// exist any more.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case errors.Is(err, syscall.ENODEV):
		return nil, fmt.Errorf("read %s: the group was removed: %w", name, fs.ErrNotExist)
	case err != nil:
		return nil, err
	case len(b) > maxFile:
		return nil, fmt.Errorf("read %s: larger than %d bytes: not a kernel file", name, maxFile)
	}
	return b, nil
}

// A place names one line of a file, for errors.
type place struct {
	file string
	line int
}

func (p place) fault(format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", p.file, p.line, fmt.Sprintf(format, args...))
}

// lines yields the lines of text that are not empty, each with its place.
func lines(name string, text []byte) iter.Seq2[place, string] {
	return func(yield func(place, string) bool) {
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			line = strings.TrimRight(line, "\r\n")
			if line != "" && !yield(place{name, n}, line) {
				return
			}
		}
	}
}

// number parses a whole number that is not negative. One beyond int64, as v1 writes for "no limit"
// on some kernels, is cut to the largest.
func (p place) number(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, p.fault("want a whole number, got %.40q", s)
	}
	return int64(min(n, 1<<63-1)), nil
}

// parseNumber reads a file that holds one number.
func parseNumber(name string, text []byte) (int64, error) {
	return place{name, 1}.number(strings.TrimSpace(string(text)))
}

// parseKeyed reads a flat keyed file: a name and a number on each line. Lines of another shape are
// faults; a name twice keeps the last.
func parseKeyed(name string, text []byte) (map[string]int64, error) {
	keyed := make(map[string]int64)
	for at, line := range lines(name, text) {
		key, value, ok := strings.Cut(line, " ")
		if !ok {
			return nil, at.fault("want a name and a number, got %.40q", line)
		}
		n, err := at.number(value)
		if err != nil {
			return nil, err
		}
		keyed[key] = n
	}
	return keyed, nil
}

// get returns a pointer to the number under key, nil if it is absent.
func get(keyed map[string]int64, key string) *int64 {
	if n, ok := keyed[key]; ok {
		return &n
	}
	return nil
}

// sum adds up the numbers under the keys that are there; it is nil if none is.
func sum(keyed map[string]int64, keys ...string) *int64 {
	var total *int64
	for _, key := range keys {
		if n, ok := keyed[key]; ok {
			if total == nil {
				total = new(int64)
			}
			*total = plus(*total, n)
		}
	}
	return total
}

// plus adds two numbers that are not negative, and stops at the largest.
func plus(a, b int64) int64 {
	if a > 1<<63-1-b {
		return 1<<63 - 1
	}
	return a + b
}
