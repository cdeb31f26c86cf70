package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/node/consolidate"
	"github.com/engramd/engramd/node/metrics"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// maxRedirects bounds a chain of merged duplicates.
const maxRedirects = 16

// Get returns the memory of this id, or the one that took its place when duplicates were merged. If its vector is damaged that is
// ErrCorrupt; without vectors it can still be read, and a Patch that sets the vector heals it.
func (n *Node) Get(ctx context.Context, space, id string, opts ...ReadOption) (m Memory, err error) {
	defer n.measure(metrics.Get)(&err)
	defer n.reading()()
	err = n.in(space, func(s *store.Space) (err error) {
		m, err = n.get(ctx, s, id, opts...)
		if err == nil && slices.Contains(opts, AsAccess) {
			n.learner.access(s, n.opts.Now(), m.ID, 1)
		}
		return err
	})
	return m, err
}

func (n *Node) get(ctx context.Context, s *store.Space, id string, opts ...ReadOption) (Memory, error) {
	name := id
	var redirect *Memory // that led here
	for range maxRedirects {
		ord, _, ok := s.Lookup(name)
		if !ok {
			if err := s.Err(); err != nil {
				return Memory{}, err
			}
			return Memory{}, notFound(id)
		}
		m, err := n.load(ctx, s, ord, opts)
		switch {
		case errors.Is(err, ErrNotFound):
			if _, _, still := s.Lookup(name); still {
				continue // deleted and remembered again between the two looks
			}
			return Memory{}, notFound(id)
		case err != nil:
			return Memory{}, err
		case redirect != nil && !consolidate.Leads(redirect, &m):
			return Memory{}, notFound(id) // another memory that got the id later
		case m.Redirect == "":
			return m, n.expired(&m)
		}
		name, redirect = m.Redirect, &m
	}
	return Memory{}, fmt.Errorf("%w: %s redirects more than %d times", ErrCorrupt, id, maxRedirects)
}

func notFound(id string) error { return fmt.Errorf("%w: %s", ErrNotFound, id) }

// expired returns ErrNotFound for a memory whose time is over; consolidation removes it some day.
func (n *Node) expired(m *Memory) error {
	if !m.ExpiresAt.IsZero() && !n.opts.Now().Before(m.ExpiresAt) {
		return fmt.Errorf("%w: %s has expired", ErrNotFound, m.ID)
	}
	return nil
}

// load reads the memory with this ordinal.
func (n *Node) load(ctx context.Context, s *store.Space, ord record.Ord, opts []ReadOption) (m Memory, err error) {
	v := viewsOf(s)
	for {
		if _, err = v.tiers.Get(ord, &m); err != nil || slices.Contains(opts, WithoutVector) {
			return m, err
		}
		if same, err := addVector(ctx, s, ord, &m); same || err != nil {
			return m, err
		}
	}
}

// A Patch says what of a memory changes; nil is left as it is.
type Patch struct {
	Type       *record.Type
	Content    *string
	Tags       *[]string
	Metadata   *json.RawMessage
	Confidence *float32
	ExpiresAt  *time.Time // of the zero time: never
	Vector     *[]float32 // empty: none any more
}

func (p *Patch) apply(m *Memory) {
	set(&m.Type, p.Type)
	set(&m.Content, p.Content)
	set(&m.Tags, p.Tags)
	set(&m.Metadata, p.Metadata)
	set(&m.Confidence, p.Confidence)
	set(&m.ExpiresAt, p.ExpiresAt)
	if p.Vector != nil {
		m.Vector = slices.Clone(*p.Vector)
	}
}

func set[T any](dst, src *T) {
	if src != nil {
		*dst = *src
	}
}

// Patch changes a memory and returns it as it is then. With an ifVersion other than zero, ErrVersion if the memory has another
// version; without, a change that comes between is merged with.
func (n *Node) Patch(ctx context.Context, space, id string, ifVersion uint64, p Patch) (m Memory, err error) {
	defer n.measure(metrics.Patch)(&err)
	done, err := n.growing()
	if err != nil {
		return Memory{}, err
	}
	defer done()
	s, err := n.store.Space(space)
	if err != nil {
		return Memory{}, err
	}
	for {
		m, err := n.patch(ctx, s, id, ifVersion, p)
		if ifVersion == 0 && errors.Is(err, ErrVersion) {
			continue
		}
		return m, err
	}
}

// patch tries once.
func (n *Node) patch(ctx context.Context, s *store.Space, id string, ifVersion uint64, p Patch) (Memory, error) {
	m, err := n.get(ctx, s, id, WithoutVector)
	if err != nil {
		return m, err
	}
	if ifVersion != 0 && m.Version != ifVersion {
		return Memory{}, fmt.Errorf("%w: %s has version %d", ErrVersion, id, m.Version)
	}
	vectorVersion, err := n.vectorVersion(ctx, s, &m)
	if err != nil {
		return Memory{}, err
	}
	p.apply(&m)
	var vector []float32 // that this write sets
	if p.Vector != nil {
		vectorVersion, vector = 0, slices.Clone(m.Vector)
	}
	if err := m.Check(s.Dimension()); err != nil {
		return Memory{}, err
	}
	if len(m.Vector) > 0 && s.Dimension() == 0 {
		if err := s.FixDimension(len(m.Vector)); err != nil {
			return Memory{}, err
		}
	}
	m.UpdatedAt = n.opts.Now().UTC().Truncate(time.Millisecond)
	c := store.Change{
		Kind: record.Put, ID: m.ID, IfVersion: m.Version, Vector: vector,
		Value: record.AppendValue(nil, &m, vectorVersion),
	}
	rs, err := s.Apply(ctx, []store.Change{c})
	if err != nil {
		return Memory{}, err
	}
	m.Version = rs[0].Version
	return m, rs[0].Err
}

// vectorVersion reads the vector of m and returns which write set it. A damaged vector stays away: it is no reason to refuse a
// change of the rest, or one that heals it.
func (n *Node) vectorVersion(ctx context.Context, s *store.Space, m *Memory) (version uint64, err error) {
	ord, _, _ := s.Lookup(m.ID)
	err = s.Read(ord, func(v record.Value) error {
		if v.Version() != m.Version {
			return ErrVersion
		}
		version = v.VectorVersion()
		return nil
	})
	if err != nil {
		return 0, err
	}
	same, err := addVector(ctx, s, ord, m)
	switch {
	case err != nil && !errors.Is(err, ErrCorrupt):
		return 0, err
	case err == nil && !same:
		return 0, ErrVersion
	}
	return version, nil
}

// Delete removes a memory and all its edges; with an ifVersion other than zero only in that version. A redirect is removed
// itself, not what it leads to.
func (n *Node) Delete(ctx context.Context, space, id string, ifVersion uint64) (err error) {
	defer n.measure(metrics.Delete)(&err)
	done, err := n.writing()
	if err != nil {
		return err
	}
	defer done()
	s, err := n.store.Space(space)
	if err != nil {
		return err
	}
	rs, err := s.Apply(ctx, []store.Change{{Kind: record.Delete, ID: id, IfVersion: ifVersion}})
	if err != nil {
		return err
	}
	return rs[0].Err
}

// List returns up to limit memories for which keep says yes, in the order in which they were first remembered, and the cursor for the
// next call; zero when there are no more. The first call has cursor zero. Redirects and what has expired are left
// out, and so is what is damaged: the store and the vectors tell of it ([store.Space.Faults], [vector.View.Faults]). keep sees no vectors.
func (n *Node) List(ctx context.Context, space string, cursor uint64, limit int, keep func(*Memory) bool, opts ...ReadOption) (out []Memory, next uint64, err error) {
	defer n.measure(metrics.List)(&err)
	defer n.reading()()
	s, err := n.store.Space(space)
	if err != nil {
		return nil, 0, err
	}
	if limit <= 0 || cursor > uint64(record.MaxOrd) {
		return nil, 0, fmt.Errorf("%w: limit %d, cursor %d", ErrInvalid, limit, cursor)
	}
	var ords []record.Ord
	tiers := viewsOf(s).tiers
	err = s.Scan(ctx, record.Ord(cursor), func(ord record.Ord, v record.Value, damage error) (bool, error) {
		if damage != nil {
			return true, nil // known and told by Space.Faults
		}
		var m Memory
		if err := tiers.Decode(ord, v, &m); err != nil {
			return false, err
		}
		if m.Redirect != "" || n.expired(&m) != nil || keep != nil && !keep(&m) {
			return true, nil
		}
		if len(out) == limit {
			return false, nil
		}
		out, ords = append(out, m), append(ords, ord)
		next = uint64(ord)
		return true, nil
	})
	if len(out) < limit {
		next = 0
	}
	if err == nil && !slices.Contains(opts, WithoutVector) {
		out, err = n.addVectors(ctx, s, ords, out, keep)
	}
	return out, next, err
}

// Link sets the weights of edges, all durable together, and returns an error or nil for each.
func (n *Node) Link(ctx context.Context, space string, edges []Edge) ([]error, error) {
	return n.edges(ctx, space, record.Link, edges)
}

// Unlink removes edges, and returns an error or nil for each. An edge that is not there is no error.
func (n *Node) Unlink(ctx context.Context, space string, edges []Edge) ([]error, error) {
	return n.edges(ctx, space, record.Unlink, edges)
}

func (n *Node) edges(ctx context.Context, space string, kind record.Kind, edges []Edge) (refused []error, err error) {
	begin, op := n.writing, metrics.Unlink
	if kind == record.Link {
		begin, op = n.growing, metrics.Link
	}
	defer n.measure(op)(&err)
	done, err := begin()
	if err != nil {
		return nil, err
	}
	defer done()
	s, err := n.store.Space(space)
	if err != nil {
		return nil, err
	}
	changes := make([]store.Change, len(edges))
	for i, e := range edges {
		changes[i] = store.Change{Kind: kind, ID: e.From, ToID: e.To, Weight: e.Weight}
		if kind == record.Unlink {
			changes[i].Weight = 0
		}
	}
	n.linking.RLock()
	defer n.linking.RUnlock()
	results, err := s.Apply(ctx, n.follow(s, changes))
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(edges))
	for i := range errs {
		errs[i] = results[i].Err
	}
	return errs, nil
}
