package node

import "sync/atomic"

// flights counts what is under way.
type flights struct{ reads, writes atomic.Int64 }

// InFlight returns how many reads and writes are under way.
func (n *Node) InFlight() (reads, writes int64) {
	return n.flights.reads.Load(), n.flights.writes.Load()
}

// reading counts a read until the returned func is called.
func (n *Node) reading() func() {
	n.flights.reads.Add(1)
	return func() { n.flights.reads.Add(-1) }
}

// writing counts a write until the returned func is called, unless maintenance mode refuses it. It counts first and
// asks then: who switches maintenance on and sees no write under way can rely on it.
func (n *Node) writing() (func(), error) {
	n.flights.writes.Add(1)
	done := func() { n.flights.writes.Add(-1) }
	if err := n.maintenance.refusal(); err != nil {
		done()
		return nil, err
	}
	return done, nil
}

// growing is writing for what needs more memory, which is refused where there is none left. What takes away goes on.
func (n *Node) growing() (func(), error) {
	if n.tiers.Exhausted() {
		return nil, ErrMemory
	}
	return n.writing()
}
