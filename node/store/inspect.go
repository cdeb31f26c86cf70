package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/engramd/engramd/node/pages"
	"github.com/engramd/engramd/node/record"
)

// A BaseReport says what a base that nobody has open holds.
type BaseReport struct {
	Space    record.SpaceID
	Applied  uint64 // the LSN up to which it is complete
	Memories int
	Edges    int // some may lead to memories that were deleted
	Damaged  int // values whose bytes are not what was written; counted above as well where they are memories
}

// Inspect reads the file of a base that nobody has open, every page and every checksum in it. Structural damage is an error that wraps
// pages.ErrDamaged; single damaged values are counted.
func Inspect(ctx context.Context, file string) (BaseReport, error) {
	in := inspection{}
	_, err := walkFile(file, func(bucket, key, value []byte) error {
		if in.seen++; in.seen%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return in.entry(bucket, key, value)
	})
	if err == nil {
		err = in.check()
	}
	if err != nil {
		return in.report, fmt.Errorf("inspect %s: %w", file, err)
	}
	return in.report, nil
}

// An inspection is one reading of a base.
type inspection struct {
	report BaseReport
	state  state
	found  bool
	hashes uint64
	seen   int
}

func (in *inspection) entry(bucket, key, value []byte) error {
	if bytes.Equal(bucket, bucketRecords) {
		ord, err := keyOrd(key)
		if err != nil {
			return fmt.Errorf("%w: %w", pages.ErrDamaged, err)
		}
		in.report.Memories++
		in.hashes += keyHash(ord)
		if record.Value(value).Check(ord) != nil {
			in.report.Damaged++
		}
		return nil
	}
	plain, err := unseal(string(bucket), key, value)
	switch {
	case err != nil && bytes.Equal(bucket, bucketMeta):
		return fmt.Errorf("%w: %w", pages.ErrDamaged, err)
	case err != nil:
		in.report.Damaged++
	case bytes.Equal(bucket, bucketEdges):
		in.report.Edges += len(plain) / edgeBytes
	case bytes.Equal(bucket, bucketMeta) && bytes.Equal(key, keyState):
		in.found = true
		in.state, err = readState(plain)
		return err
	}
	return nil
}

func (in *inspection) check() error {
	switch {
	case !in.found:
		return fmt.Errorf("%w: the base has no state", pages.ErrDamaged)
	case in.state.count != uint64(in.report.Memories) || in.state.hashes != in.hashes:
		return fmt.Errorf("%w: the base has %d records where it says %d, or others", pages.ErrDamaged, in.report.Memories, in.state.count)
	}
	in.report.Space, in.report.Applied = in.state.space, in.state.applied
	return nil
}
