package store

import "github.com/engramd/engramd/node/record"

// draftIDs are the ids that a batch puts or deletes. It is a table and no map because it is filled and emptied for every batch of the log.
type draftIDs struct {
	slots []draftID // open addressing by hash
	used  int
	round uint32 // slots of another round are empty
}

// A draftID is an id and the ordinal that it will have: zero is deleted.
type draftID struct {
	id    string
	hash  uint32
	round uint32
	ord   record.Ord
}

const minDraftIDs = 64

// slot returns the slot of id, or the empty one where it belongs.
func (t *draftIDs) slot(id string, hash uint32) (s *draftID, found bool) {
	for i := int(hash) & (len(t.slots) - 1); ; i = (i + 1) & (len(t.slots) - 1) {
		s = &t.slots[i]
		switch {
		case s.round != t.round:
			return s, false
		case s.hash == hash && s.id == id:
			return s, true
		}
	}
}

func (t *draftIDs) find(id string, hash uint32) (record.Ord, bool) {
	if t.used == 0 {
		return 0, false
	}
	s, ok := t.slot(id, hash)
	if !ok {
		return 0, false
	}
	return s.ord, true
}

func (t *draftIDs) set(id string, hash uint32, ord record.Ord) {
	if 2*(t.used+1) > len(t.slots) {
		t.grow()
	}
	s, ok := t.slot(id, hash)
	if !ok {
		t.used++
	}
	*s = draftID{id: id, hash: hash, round: t.round, ord: ord}
}

func (t *draftIDs) grow() {
	old, round := t.slots, t.round
	t.slots, t.round = make([]draftID, max(minDraftIDs, 2*len(old))), 1
	for _, s := range old {
		if s.round == round {
			to, _ := t.slot(s.id, s.hash)
			s.round = t.round
			*to = s
		}
	}
}

// reset empties the table. What one large batch needed is not kept for many small ones.
func (t *draftIDs) reset() {
	t.round++
	if t.round == 0 || len(t.slots) > minDraftIDs && 16*t.used < len(t.slots) {
		t.slots, t.round = nil, 1
	}
	t.used = 0
}
