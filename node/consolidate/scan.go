package consolidate

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

const (
	// perSlice is how many memories are read at once, unless sliceTime is over before.
	perSlice  = 512
	sliceTime = 2 * time.Millisecond
	// perPass is how many memories are looked at for duplicates at once; more need more passes.
	perPass = 8 << 20
	// perGroup is how many changes are made durable together.
	perGroup = 500
)

// A pass looks at all memories and finds duplicates among those whose hash belongs to the pass.
type pass struct {
	*round
	number, of int
	seed       maphash.Seed
	prints     []uint64 // of a memory each: half of its hash, and its ordinal
	expired    []store.Change
	redirects  []record.Ord
}

func (r *round) pass(ctx context.Context, number, of int) error {
	p := &pass{round: r, number: number, of: of, seed: maphash.MakeSeed()}
	if err := p.scan(ctx); err != nil {
		return err
	}
	if number == 0 {
		if err := p.prune(ctx); err != nil {
			return err
		}
	}
	if err := p.settle(ctx, p.redirects); err != nil {
		return err
	}
	slices.Sort(p.prints)
	return p.duplicates(ctx)
}

// scan looks at everything, slice by slice.
func (p *pass) scan(ctx context.Context) error {
	after, more := record.Ord(0), true
	for more {
		var failed error
		if err := p.opts.Slice(ctx, func() { after, more, failed = p.slice(ctx, after) }); err != nil {
			return err
		}
		if failed != nil {
			return failed
		}
	}
	return nil
}

// slice looks at some memories behind after, and returns the last of them, and whether there are more.
func (p *pass) slice(ctx context.Context, after record.Ord) (last record.Ord, more bool, err error) {
	until := time.Now().Add(sliceTime)
	n := 0
	var m record.Memory
	err = p.Store.Scan(ctx, after, func(ord record.Ord, v record.Value, damage error) (bool, error) {
		last = ord
		if n++; damage == nil {
			damage = p.look(ord, v, &m)
		}
		if p.number == 0 {
			p.report.Looked++
		}
		switch {
		case errors.Is(damage, record.ErrCorrupt):
			if p.number == 0 {
				p.report.Damaged++
			}
		case damage != nil:
			return false, damage
		}
		more = n == perSlice || n%16 == 0 && time.Now().After(until)
		return !more, nil
	})
	return last, more, err
}

// look notes what is to be done about a memory.
func (p *pass) look(ord record.Ord, v record.Value, m *record.Memory) error {
	switch expires := v.ExpiresAt(); {
	case v.Redirects():
		p.redirects = append(p.redirects, ord)
		return nil
	case p.over(expires):
		p.expired = append(p.expired, store.Change{Kind: record.Delete, ID: string(v.ID()), IfVersion: v.Version()})
		return nil
	case p.number == 0:
		p.round.expires = older(p.round.expires, expires)
	}
	if err := p.Tiers.Decode(ord, v, m); err != nil || m.Content == "" {
		return err
	}
	hash := p.hash(m)
	if int(hash>>32)%p.of == p.number {
		p.prints = append(p.prints, hash<<32|uint64(ord))
	}
	return nil
}

// hash returns a hash of what exact duplicates have in common.
func (p *pass) hash(m *record.Memory) uint64 {
	var h maphash.Hash
	h.SetSeed(p.seed)
	_ = h.WriteByte(byte(m.Type)) // it never fails, nor do the next ones
	_, _ = h.Write(m.Metadata)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(m.Content)
	return h.Sum64()
}

// prune removes what has expired.
func (p *pass) prune(ctx context.Context) error {
	for group := range slices.Chunk(p.expired, perGroup) {
		var errs []error
		var failed error
		if err := p.opts.Slice(ctx, func() { errs, failed = p.apply(ctx, group) }); err != nil {
			return err
		}
		if failed != nil {
			return failed
		}
		for _, err := range errs {
			switch {
			case err == nil:
				p.report.Expired++
			case !raced(err):
				return err
			}
		}
	}
	p.expired = nil
	return nil
}
