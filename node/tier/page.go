package tier

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/engramd/engramd/node/record"
)

// pageRows is how many memories share a lock: few, so that a sweep that holds it for a page meets few readers.
const pageRows = 512

// A page is what is resident of 512 memories with neighbouring ordinals: 21 bytes each.
type page struct {
	mu     sync.RWMutex
	access [pageRows]access
	size   [pageRows]uint32 // of the stored value
	tier   [pageRows]Tier   // none: no memory
}

// An access is a record.Access in 16 bytes.
type access struct {
	lastMilli  int64
	activation float32
	count      uint32
}

func packAccess(a record.Access) access {
	p := access{activation: a.Activation, count: a.Count}
	if !a.LastAt.IsZero() {
		p.lastMilli = a.LastAt.UnixMilli()
	}
	return p
}

func (a access) unpack() record.Access {
	out := record.Access{Activation: a.activation, Count: a.count}
	if a.lastMilli != 0 {
		out.LastAt = time.UnixMilli(a.lastMilli).UTC()
	}
	return out
}

func (a access) score() score { return scoreOf(float64(a.activation), time.UnixMilli(a.lastMilli)) }

// A table is the pages of a space. One goroutine adds pages; readers need no lock to find one.
type table struct {
	pages atomic.Pointer[[]*page]
}

// at returns the page and the place of ord; nil if there is none yet.
func (t *table) at(ord record.Ord) (*page, int) {
	pages := t.all()
	n := int(ord) / pageRows
	if n >= len(pages) {
		return nil, 0
	}
	return pages[n], int(ord) % pageRows
}

// reach is at, and makes the page.
func (t *table) reach(ord record.Ord) (*page, int) {
	if p, i := t.at(ord); p != nil {
		return p, i
	}
	t.grow(int(ord)/pageRows + 1)
	return t.at(ord)
}

func (t *table) grow(n int) {
	pages := t.all()
	for len(pages) < n {
		pages = append(pages, new(page))
	}
	t.pages.Store(&pages) // readers of the old slice do not look beyond its length
}

func (t *table) all() []*page {
	if p := t.pages.Load(); p != nil {
		return *p
	}
	return nil
}

// each calls fn for each memory, ordinals ascending, under the lock of its page: that for reading, or for writing.
func (t *table) each(write bool, fn func(ord record.Ord, p *page, i int)) {
	for n, p := range t.all() {
		p.each(write, record.Ord(n*pageRows), fn)
	}
}

func (p *page) each(write bool, first record.Ord, fn func(ord record.Ord, p *page, i int)) {
	if write {
		p.mu.Lock()
		defer p.mu.Unlock()
	} else {
		p.mu.RLock()
		defer p.mu.RUnlock()
	}
	for i := range p.tier {
		if p.tier[i] != none {
			fn(first+record.Ord(i), p, i)
		}
	}
}
