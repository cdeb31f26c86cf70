package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/engramd/engramd/node/consolidate"
	"github.com/engramd/engramd/node/metrics"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// A Remembered is what became of one memory.
type Remembered struct {
	ID      string
	Version uint64
	Created bool  // false: it was there already, with the same content
	Err     error // it was refused, and left no trace
}

// Remember makes m durable. An empty ID gets a UUIDv7, an empty CreatedAt the time of now. Without an Access it counts as accessed with
// activation 1 when it was created; an Access without a time is of now. A memory of the same id and content is left as it
// is, one with another content is ErrConflict.
func (n *Node) Remember(ctx context.Context, space string, m Memory) (Remembered, error) {
	rs, err := n.RememberAll(ctx, space, []Memory{m})
	if err != nil {
		return Remembered{}, err
	}
	return rs[0], rs[0].Err
}

// RememberAll makes memories durable together: after a crash either all that were not refused are there or, if it had not returned, perhaps none. The error
// is not nil if none of them is known to be durable.
func (n *Node) RememberAll(ctx context.Context, space string, ms []Memory) (out []Remembered, err error) {
	end := n.measure(metrics.Remember)
	defer func() {
		failed := err
		if failed == nil && len(out) == 1 {
			failed = out[0].Err
		}
		end(&failed)
	}()
	done, err := n.growing()
	if err != nil {
		return nil, err
	}
	defer done()
	s, err := n.store.Space(space)
	if err != nil {
		return nil, err
	}
	out = make([]Remembered, len(ms))
	changes, place := make([]store.Change, 0, len(ms)), make([]int, 0, len(ms))
	for i := range ms {
		m := &ms[i]
		if out[i].Err = n.complete(s, m); out[i].Err != nil {
			continue
		}
		if undimensioned(s, m) {
			if _, _, taken := s.Lookup(m.ID); taken {
				out[i] = n.meet(ctx, s, m) // a vector that is refused does not fix the dimension
				continue
			}
			if out[i].Err = fixDimension(s, m); out[i].Err != nil {
				continue
			}
		}
		changes, place = append(changes, putOf(m)), append(place, i)
	}
	if len(changes) == 0 {
		return out, nil
	}
	results, err := s.Apply(ctx, changes)
	if err != nil {
		return nil, err
	}
	for k, r := range results {
		m, o := &ms[place[k]], &out[place[k]]
		*o = Remembered{ID: m.ID, Version: r.Version, Created: r.Err == nil, Err: r.Err}
		if errors.Is(r.Err, store.ErrExists) {
			*o = n.meet(ctx, s, m)
		}
	}
	return out, nil
}

// complete fills what the caller left out of m, and checks it.
func (n *Node) complete(s *store.Space, m *Memory) error {
	now := n.opts.Now().UTC()
	if m.ID == "" {
		m.ID = record.NewID()
	}
	if m.CreatedAt.IsZero() {
		m.CreatedAt = now
	}
	if m.UpdatedAt.IsZero() {
		m.UpdatedAt = m.CreatedAt
	}
	if m.Access != (record.Access{}) && m.Access.LastAt.IsZero() {
		m.Access.LastAt = now
	}
	if x := float64(m.Access.Activation); math.IsNaN(x) || x < 0 || x > 1 {
		return &record.InvalidError{Field: "activation", Reason: fmt.Sprintf("%v is outside [0, 1]", x)}
	}
	return m.Check(s.Dimension())
}

// undimensioned tells whether the vector of m would be the first of its space.
func undimensioned(s *store.Space, m *Memory) bool { return len(m.Vector) > 0 && s.Dimension() == 0 }

// fixDimension makes the first vector of a space fix its dimension.
func fixDimension(s *store.Space, m *Memory) error {
	if !undimensioned(s, m) {
		return nil
	}
	return s.FixDimension(len(m.Vector))
}

func putOf(m *Memory) store.Change {
	return store.Change{
		Kind: record.Put, ID: m.ID, IfAbsent: true, Vector: slices.Clone(m.Vector), Access: m.Access,
		Value: record.AppendValue(make([]byte, 0, record.ValueSize(m)), m, 0),
	}
}

// meet decides what it means that the id of m is taken.
func (n *Node) meet(ctx context.Context, s *store.Space, m *Memory) Remembered {
	for {
		old, err := n.get(ctx, s, m.ID)
		switch {
		case err == nil && (sameContent(&old, m) || old.ID != m.ID && consolidate.Covers(&old, m)):
			return Remembered{ID: m.ID, Version: old.Version}
		case err == nil:
			return Remembered{ID: m.ID, Err: ErrConflict}
		case !errors.Is(err, ErrNotFound):
			return Remembered{ID: m.ID, Err: err}
		}
		if err := fixDimension(s, m); err != nil {
			return Remembered{ID: m.ID, Err: err}
		}
		// Deleted meanwhile, or expired: its place is free. What is left of the old one, such as its edges, is not the new one's.
		changes := []store.Change{putOf(m)}
		if _, version, there := s.Lookup(m.ID); there {
			changes = []store.Change{{Kind: record.Delete, ID: m.ID, IfVersion: version}, changes[0]}
			changes[1].With = true
		}
		rs, err := s.Apply(ctx, changes)
		if err != nil {
			return Remembered{ID: m.ID, Err: err}
		}
		if r := rs[len(rs)-1]; r.Err == nil {
			return Remembered{ID: m.ID, Version: r.Version, Created: true}
		} else if !raced(r.Err) {
			return Remembered{ID: m.ID, Err: r.Err}
		}
	}
}

// raced tells whether another write came between a look and what was done upon it.
func raced(err error) bool {
	return errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrVersion) || errors.Is(err, store.ErrNotFound)
}

// sameContent compares all that people say about a memory, and nothing that the node adds.
func sameContent(a, b *Memory) bool {
	return a.Type == b.Type && a.Content == b.Content && slices.Equal(a.Tags, b.Tags) && bytes.Equal(a.Metadata, b.Metadata) &&
		a.Confidence == b.Confidence && a.ExpiresAt.Equal(b.ExpiresAt) && slices.Equal(a.Vector, b.Vector)
}
