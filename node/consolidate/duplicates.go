package consolidate

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/engramd/engramd/node/record"
)

// maxKeepers bounds with how many others of the same content, but with other vectors, a memory is compared.
const maxKeepers = 8

// perMerge is how many duplicates are merged in one slice.
const perMerge = 64

// A member is a memory that may have duplicates.
type member struct {
	ord     record.Ord
	hash    uint64
	created time.Time
	id      string
}

// duplicates merges the memories whose prints are the same.
func (p *pass) duplicates(ctx context.Context) error {
	for from := 0; from < len(p.prints); {
		to := from + 1
		for to < len(p.prints) && p.prints[to]>>32 == p.prints[from]>>32 {
			to++
		}
		if to-from > 1 {
			if err := p.group(ctx, p.prints[from:to]); err != nil {
				return err
			}
		}
		from = to
	}
	p.prints = nil
	return nil
}

// group merges what of a few memories is the same.
func (p *pass) group(ctx context.Context, prints []uint64) error {
	members := make([]member, 0, len(prints))
	for part := range slices.Chunk(prints, perSlice) {
		var failed error
		if err := p.opts.Slice(ctx, func() { members, failed = p.members(members, part) }); err != nil {
			return err
		}
		if failed != nil {
			return failed
		}
	}
	slices.SortFunc(members, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), a.created.Compare(b.created), strings.Compare(a.id, b.id))
	})
	for from := 0; from < len(members); {
		to := from + 1
		for to < len(members) && members[to].hash == members[from].hash {
			to++
		}
		if err := p.same(ctx, members[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// members appends what prints stand for.
func (p *pass) members(dst []member, prints []uint64) ([]member, error) {
	for _, print := range prints {
		m, err := p.read(record.Ord(uint32(print)))
		switch {
		case err != nil:
			return nil, err
		case m != nil:
			dst = append(dst, member{m.ord, p.hash(&m.Memory), m.CreatedAt, m.ID})
		}
	}
	return dst, nil
}

// same merges members of one hash, the oldest first, each into the first that is its exact duplicate.
func (p *pass) same(ctx context.Context, members []member) error {
	rest := make([]record.Ord, len(members))
	for i, m := range members {
		rest[i] = m.ord
	}
	for range maxKeepers {
		if len(rest) < 2 {
			return nil
		}
		var left []record.Ord
		for part := range slices.Chunk(rest[1:], perMerge) {
			var others []record.Ord
			var failed error
			err := p.opts.Slice(ctx, func() { others, failed = p.merge(ctx, rest[0], part) })
			if err = cmp.Or(err, failed); err != nil {
				return err
			}
			left = append(left, others...)
		}
		rest = left
	}
	return nil
}
