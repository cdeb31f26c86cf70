package tier

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/ristretto/v2"
	"github.com/engramd/engramd/node/record"
)

const (
	// copyCost is what a copy takes besides its bytes: a row in the cache's map and one in its policy, with the room that maps
	// keep free. Measured: TestDeclaredCost.
	copyCost = 176
	// bytesPerCounter is for how many bytes of cache there is a counter of accesses: several a copy.
	bytesPerCounter = 64
	counterCost     = 4         // a counter in the sketch and the bits of the filter beside it
	bufferCost      = 256 << 10 // of the channel of sets that wait
	// leastHotBytes is for how many bytes there are counters at least, so that a small cache can grow.
	leastHotBytes = 4 << 20
)

// A Cache is [Copies] in ristretto.
type Cache struct {
	cache *ristretto.Cache[uint64, record.Value]
	fixed int64
	limit atomic.Int64
	// What ristretto has taken and not given back: its own metrics count what it admitted, at costs of before.
	records, bytes atomic.Int64
	closing        sync.Once
}

// NewCache returns a cache that takes that many bytes of heap. One of zero bytes keeps nothing until it is resized.
func NewCache(limit int64) (*Cache, error) {
	counters := int64(1) << (bits.Len64(uint64(max(limit, leastHotBytes)/bytesPerCounter)) - 1)
	c := &Cache{fixed: counters*counterCost + bufferCost}
	c.limit.Store(limit)
	cache, err := ristretto.NewCache(&ristretto.Config[uint64, record.Value]{
		NumCounters: counters,
		MaxCost:     c.room(limit),
		// A full buffer wakes the goroutine that counts accesses, which costs its reader some microseconds: not one read in a hundred.
		BufferItems: 512,
		// Without it ristretto adds 56 bytes of its own to each cost, which is not what a copy takes, and small entries halve
		// the hit ratio.
		IgnoreInternalCost: true,
		KeyToHash:          func(key uint64) (uint64, uint64) { return spread(key), 0 },
		OnExit:             c.left,
		ShouldUpdate:       func(cur, prev record.Value) bool { return cur.Version() >= prev.Version() },
	})
	if err != nil {
		return nil, fmt.Errorf("make the hot tier: %w", err)
	}
	c.cache = cache
	return c, nil
}

// spread is a bijection that makes every bit of a key count (splitmix64): ristretto takes keys as they are for hashes.
func spread(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func costOf(v record.Value) int64 { return int64(cap(v)) + copyCost }

// room is what of limit is left for copies.
func (c *Cache) room(limit int64) int64 { return max(limit-c.fixed, limit/4, 1) }

// Get implements Copies.
func (c *Cache) Get(key uint64) (record.Value, bool) { return c.cache.Get(key) }

// Set implements Copies. What comes faster than ristretto can take is not kept.
func (c *Cache) Set(key uint64, v record.Value) {
	limit, cost := c.limit.Load(), costOf(v)
	// Ristretto decides later and keeps up to 32,768 values until then: those are on the heap as well.
	if limit == 0 || c.bytes.Load()+cost > c.room(limit)+limit/8 {
		return
	}
	c.records.Add(1)
	c.bytes.Add(cost)
	if !c.cache.Set(key, v, cost) {
		c.left(v)
	}
}

// left is called once for each value that was set and is not kept any more.
func (c *Cache) left(v record.Value) {
	if v != nil {
		c.records.Add(-1)
		c.bytes.Add(-costOf(v))
	}
}

// Drop implements Copies.
func (c *Cache) Drop(key uint64) { c.cache.Del(key) }

// Clear implements Copies.
func (c *Cache) Clear() { c.cache.Clear() }

// Resize implements Copies.
func (c *Cache) Resize(limit int64) {
	c.limit.Store(limit)
	c.cache.UpdateMaxCost(c.room(limit))
}

// Usage implements Copies.
func (c *Cache) Usage() Usage {
	return Usage{
		Records: max(0, c.records.Load()), Bytes: max(0, c.bytes.Load()), FixedBytes: c.fixed, LimitBytes: c.limit.Load(),
	}
}

// Close implements Copies.
func (c *Cache) Close() { c.closing.Do(c.cache.Close) }

// Wait returns when everything that was set has been taken or refused.
func (c *Cache) Wait() { c.cache.Wait() }
