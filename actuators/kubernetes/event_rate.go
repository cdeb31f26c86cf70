package kubernetes

import (
	"sync"
	"time"
)

// Of one target at most noticeBurst Events are made at once, and one every noticeEvery later on.
// Warnings may use the last of them, others not: there is always room for what matters.
const (
	noticeBurst   = 20
	noticeReserve = 5
	noticeEvery   = 30 * time.Second
	countEvery    = 30 * time.Second // how often a series is written
)

// A verdict says what becomes of an event.
type verdict int

const (
	passOver verdict = iota
	makeNew
	countUp
)

// A notice is an Event that was made, to be counted up if the same comes again.
type notice struct {
	namespace, name string
	count           int
	last, written   time.Time
}

// notices bound how many Events are made.
type notices struct {
	mu  sync.Mutex
	all map[string]*noticeBoard // by target
}

type noticeBoard struct {
	tokens float64
	filled time.Time
	seen   map[string]*notice // by what they say
}

// admit decides on one event. What it says to count up it returns.
func (n *notices) admit(target, saying string, warning bool, now time.Time) (notice, verdict) {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := n.board(target, now)
	for s, one := range b.seen {
		if now.Sub(one.last) > seriesFor {
			delete(b.seen, s)
		}
	}
	if one, ok := b.seen[saying]; ok {
		one.count++
		one.last = now
		switch early := now.Sub(one.written) < countEvery; {
		case early && (one.name == "" || one.count > 2):
			return notice{}, passOver
		case one.name != "":
			one.written = now
			return *one, countUp
		}
		// It could not be made, and is tried once more.
	}
	reserve := float64(noticeReserve)
	if warning {
		reserve = 0
	}
	if b.tokens < reserve+1 {
		return notice{}, passOver
	}
	b.tokens--
	b.seen[saying] = &notice{count: 1, last: now, written: now}
	return notice{}, makeNew
}

func (n *notices) board(target string, now time.Time) *noticeBoard {
	b, ok := n.all[target]
	if !ok {
		b = &noticeBoard{tokens: noticeBurst, filled: now, seen: make(map[string]*notice)}
		if n.all == nil {
			n.all = make(map[string]*noticeBoard)
		}
		n.all[target] = b
	}
	b.tokens = min(noticeBurst, b.tokens+float64(now.Sub(b.filled))/float64(noticeEvery))
	b.filled = now
	return b
}

// made notes the name of an Event.
func (n *notices) made(target, saying, namespace, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if b := n.all[target]; b != nil && b.seen[saying] != nil {
		b.seen[saying].namespace, b.seen[saying].name = namespace, name
	}
}

// forget has the next of its kind be a new Event.
func (n *notices) forget(target, saying string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if b := n.all[target]; b != nil {
		delete(b.seen, saying)
	}
}
