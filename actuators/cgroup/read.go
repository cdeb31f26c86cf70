package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/engramd/engramd/policy"
)

// Read takes one sample. If the group is gone, now or while it is read, the error wraps
// [fs.ErrNotExist] and the sample is empty; of other faults, such as a file that makes no sense, all
// are reported and the sample holds the rest.
func (g Group) Read() (Stats, error) {
	var s Stats
	r := &reader{}
	g.readCPU(r, &s.CPU)
	g.readMemory(r, &s.Memory)
	g.readPressure(r, &s.Pressure)
	g.readCpuset(r, &s.Cpuset)
	g.readIO(r, &s.IO)
	g.readPIDs(r, &s.PIDs)
	if err := g.gone(); err != nil {
		return Stats{}, err
	}
	if err := errors.Join(r.faults...); err != nil {
		return s, fmt.Errorf("read cgroup %s: %w", g.Path, err)
	}
	return s, nil
}

// gone tells a file that this kernel does not have from a group that was removed.
func (g Group) gone() error {
	for _, d := range g.dirs {
		if _, err := os.Stat(d.path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read cgroup %s: it was removed: %w", g.Path, err)
		}
	}
	return nil
}

// A reader gathers the faults of a sample, so that one bad file does not hide the others.
type reader struct{ faults []error }

// note keeps a fault. What is absent or may not be read is absent, not faulty.
func (r *reader) note(err error) {
	if err != nil && !absent(err) {
		r.faults = append(r.faults, err)
	}
}

// value reads and parses one file of d; it is false if there is nothing to be had.
func value[T any](r *reader, d dir, name string, parse func(string, []byte) (T, error)) (T, bool) {
	path := filepath.Join(d.path, name)
	text, err := readFile(path)
	if err != nil {
		r.note(err)
		return *new(T), false
	}
	v, err := parse(path, text)
	if err != nil {
		r.note(err)
		return *new(T), false
	}
	return v, true
}

func (r *reader) number(d dir, name string) *int64 {
	if n, ok := value(r, d, name, parseNumber); ok {
		return &n
	}
	return nil
}

func (r *reader) quantity(d dir, name string) policy.Quantity {
	q, _ := value(r, d, name, parseQuantity)
	return q
}

func (r *reader) keyed(d dir, name string) map[string]int64 {
	m, _ := value(r, d, name, parseKeyed)
	return m
}

// above returns the smallest of what read finds in the directories above the group's, as far as they
// can be seen.
func (d dir) above(read func(dir) policy.Quantity) policy.Quantity {
	var least policy.Quantity
	for len(d.path) > len(d.top) {
		d.path = filepath.Dir(d.path)
		least = lesser(least, read(d))
	}
	return least
}

// lesser returns the smaller of two limits, of which one may be unset or unlimited.
func lesser(a, b policy.Quantity) policy.Quantity {
	an, aok := a.Amount()
	bn, bok := b.Amount()
	switch {
	case aok && bok && bn < an, !aok && bok, a.IsUnset():
		return b
	}
	return a
}
