package powercut

import (
	"iter"
	"math/rand/v2"
	"path"
)

// Cut returns a disk as a cut after the first n operations may leave it: what was synced, and of the rest
// whatever rng says. The original is not changed.
func (d *Disk) Cut(n int, rng *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := cutting{rng: rng, forgets: d.Forgets, stable: map[int]*blob{}, pending: map[int][]piece{}, durable: map[string]int{}, named: map[int]bool{}}
	for op := range c.both(d.past, d.ops[:n]) {
		c.name(op)
	}
	c.settle()
	for op := range c.both(d.past, d.ops[:n]) {
		c.bytes(op)
	}
	return c.disk()
}

// A cutting replays operations and tells what is durable from what is under way.
type cutting struct {
	rng     *rand.Rand
	forgets bool
	stable  map[int]*blob   // synced bytes, by inode
	pending map[int][]piece // written since, by inode
	durable map[string]int  // synced names
	changes []Op            // of names, not synced
	named   map[int]bool    // inodes that have a name after the cut
}

// A piece is a write; without data it sets the length.
type piece struct {
	off  int64
	data []byte
}

func (p piece) onto(b *blob) {
	if p.data == nil {
		b.resize(p.off)
		return
	}
	b.write(p.data, p.off)
}

func (c *cutting) both(past, ops []Op) iter.Seq[Op] {
	return func(yield func(Op) bool) {
		for _, part := range [][]Op{past, ops} {
			for _, op := range part {
				if !yield(op) {
					return
				}
			}
		}
	}
}

// name follows the names.
func (c *cutting) name(op Op) {
	switch op.Kind {
	case "create", "rename", "remove":
		c.changes = append(c.changes, op)
	case "syncdir":
		var rest []Op
		for _, ch := range c.changes {
			if path.Dir(ch.Name) == op.Name {
				apply(c.durable, ch)
			} else {
				rest = append(rest, ch)
			}
		}
		c.changes = rest
	}
}

// settle lets chance decide which names arrived.
func (c *cutting) settle() {
	for _, ch := range c.changes[:c.rng.IntN(len(c.changes)+1)] {
		apply(c.durable, ch)
	}
	for _, id := range c.durable {
		c.named[id] = true
	}
}

// bytes follows the bytes of files that still have a name.
func (c *cutting) bytes(op Op) {
	if !c.named[op.inode] {
		return
	}
	switch op.Kind {
	case "write":
		c.pending[op.inode] = append(c.pending[op.inode], piece{op.Off, op.Data})
	case "truncate":
		c.pending[op.inode] = append(c.pending[op.inode], piece{off: op.Off})
	case "sync":
		for _, p := range c.pending[op.inode] {
			p.onto(c.file(op.inode))
		}
		delete(c.pending, op.inode)
	case "failed sync":
		for _, p := range c.pending[op.inode] {
			if !c.forgets {
				c.sectors(c.file(op.inode), p, 0.5)
			}
		}
		delete(c.pending, op.inode)
	}
}

func apply(names map[string]int, ch Op) {
	switch ch.Kind {
	case "create":
		names[ch.Name] = ch.inode
	case "rename":
		delete(names, ch.Name)
		names[ch.To] = ch.inode
	case "remove":
		delete(names, ch.Name)
	}
}

// disk lets chance decide what of the bytes arrived.
func (c *cutting) disk() *Disk {
	d := New()
	for name, id := range c.durable {
		data := c.file(id).clone()
		share := c.rng.Float64() // from nearly nothing to nearly everything
		for _, p := range c.pending[id] {
			c.sectors(&data, p, share)
		}
		d.names[name] = &inode{blob: data}
	}
	return d.Copy()
}

// sectors lets some sectors of p arrive. A file that p would have made longer may have its new length and
// zeros.
func (c *cutting) sectors(b *blob, p piece, share float64) {
	if p.data == nil {
		if c.rng.Float64() < share {
			p.onto(b)
		}
		return
	}
	for at := 0; at < len(p.data); {
		n := min(len(p.data)-at, sector-int((p.off+int64(at))%sector))
		if c.rng.Float64() < share {
			b.write(p.data[at:at+n], p.off+int64(at))
		}
		at += n
	}
}

func (c *cutting) file(id int) *blob {
	b := c.stable[id]
	if b == nil {
		b = &blob{}
		c.stable[id] = b
	}
	return b
}
