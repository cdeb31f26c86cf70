package powercut

import (
	"math/rand/v2"
	"path"
)

// Cut returns a disk as a cut after the first n operations may leave it: what was synced, and of the rest
// whatever rng says. The original is not changed.
func (d *Disk) Cut(n int, rng *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := cutting{rng: rng, stable: map[int][]byte{}, pending: map[int][]piece{}, durable: map[string]int{}}
	for _, op := range d.past {
		c.op(op)
	}
	for _, op := range d.ops[:n] {
		c.op(op)
	}
	return c.disk()
}

// A cutting replays operations and tells what is durable from what is under way.
type cutting struct {
	rng     *rand.Rand
	stable  map[int][]byte  // synced bytes, by inode
	pending map[int][]piece // written since, by inode
	durable map[string]int  // synced names
	changes []Op            // of names, not synced
}

// A piece is a write; without data it sets the length.
type piece struct {
	off  int64
	data []byte
}

func (p piece) onto(data []byte) []byte {
	if p.data == nil {
		return resize(data, p.off)
	}
	return overlay(data, p.data, p.off)
}

func (c *cutting) op(op Op) {
	switch op.Kind {
	case "create", "rename", "remove":
		c.changes = append(c.changes, op)
	case "write":
		c.pending[op.inode] = append(c.pending[op.inode], piece{op.Off, op.Data})
	case "truncate":
		c.pending[op.inode] = append(c.pending[op.inode], piece{off: op.Off})
	case "sync":
		for _, p := range c.pending[op.inode] {
			c.stable[op.inode] = p.onto(c.stable[op.inode])
		}
		delete(c.pending, op.inode)
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

// disk lets chance decide what of the rest arrived.
func (c *cutting) disk() *Disk {
	for _, ch := range c.changes[:c.rng.IntN(len(c.changes)+1)] {
		apply(c.durable, ch)
	}
	d := New()
	for name, id := range c.durable {
		data := append([]byte(nil), c.stable[id]...)
		share := c.rng.Float64() // from nearly nothing to nearly everything
		for _, p := range c.pending[id] {
			data = c.sectors(data, p, share)
		}
		d.names[name] = &inode{data: data}
	}
	return d.Copy()
}

// sectors lets some sectors of p arrive. A file that p would have made longer may have its new length and
// zeros.
func (c *cutting) sectors(data []byte, p piece, share float64) []byte {
	if p.data == nil {
		if c.rng.Float64() < share {
			return p.onto(data)
		}
		return data
	}
	for at := 0; at < len(p.data); {
		n := min(len(p.data)-at, sector-int((p.off+int64(at))%sector))
		if c.rng.Float64() < share {
			data = overlay(data, p.data[at:at+n], p.off+int64(at))
		}
		at += n
	}
	return data
}
