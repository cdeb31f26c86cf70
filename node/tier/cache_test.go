package tier_test

import (
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/tier"
)

func valueOf(ord record.Ord, content string, version uint64) record.Value {
	m := record.Memory{ID: id(int(ord)), Content: content, CreatedAt: time.UnixMilli(1)}
	v := record.Value(record.AppendValue(nil, &m, 0))
	v.Seal(ord, version)
	return v
}

func newCache(t testing.TB, bytes int64) *tier.Cache {
	t.Helper()
	c, err := tier.NewCache(bytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestCache(t *testing.T) {
	c := newCache(t, 8<<20)
	version := func(key uint64) uint64 {
		c.Wait()
		v, ok := c.Get(key)
		if !ok {
			return 0
		}
		return v.Version()
	}
	if version(1) != 0 {
		t.Error("something of nothing")
	}
	c.Set(1, valueOf(1, "a", 5))
	if got := version(1); got != 5 {
		t.Errorf("version %d after the first set", got)
	}
	c.Set(1, valueOf(1, "b", 7))
	c.Set(1, valueOf(1, "a", 5))
	if got := version(1); got != 7 {
		t.Errorf("an older version replaces a newer: %d", got)
	}
	c.Set(1<<32|1, valueOf(1, "another space", 9))
	if version(1) != 7 || version(1<<32|1) != 9 {
		t.Error("spaces share keys")
	}
	if u := c.Usage(); u.Records != 2 || u.Bytes <= 0 || u.FixedBytes <= 0 || u.LimitBytes != 8<<20 {
		t.Errorf("usage %+v", u)
	}
	c.Drop(1)
	if version(1) != 0 {
		t.Error("dropped and still there")
	}
	c.Clear()
	c.Clear()
	if u := c.Usage(); version(1<<32|1) != 0 || u.Records != 0 || u.Bytes != 0 {
		t.Errorf("cleared: %+v", u)
	}
	c.Resize(0)
	c.Set(1, valueOf(1, "a", 5))
	if version(1) != 0 || c.Usage().Records != 0 {
		t.Error("a cache of nothing keeps something")
	}
	c.Resize(4 << 20)
	c.Close()
	c.Close()
	c.Set(1, valueOf(1, "a", 5))
	if _, ok := c.Get(1); ok || c.Usage().Records != 0 {
		t.Error("a closed cache keeps something")
	}
}

// TestCacheKeepsItsBooks: under load, with drops, refusals and clears, what the cache says it holds is what it holds.
func TestCacheKeepsItsBooks(t *testing.T) {
	c := newCache(t, 4<<20)
	var wg sync.WaitGroup
	for g := range uint64(4) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(g, 1))
			for i := range 30_000 {
				key := r.Uint64N(20_000)
				switch r.IntN(10) {
				case 0:
					c.Drop(key)
				case 1, 2, 3, 4:
					c.Set(key, valueOf(record.Ord(key+1), text(i%50), uint64(i)+1))
				default:
					c.Get(key)
				}
				if i%10_000 == 9999 && g == 0 {
					c.Clear()
				}
			}
		})
	}
	wg.Wait()
	c.Wait()
	var records int64
	for key := range uint64(20_000) {
		if _, ok := c.Get(key); ok {
			records++
		}
	}
	u := c.Usage()
	if u.Records != records {
		t.Errorf("says %d copies, has %d", u.Records, records)
	}
	if u.Bytes+u.FixedBytes > u.LimitBytes*11/10 {
		t.Errorf("takes %d bytes of %d", u.Bytes+u.FixedBytes, u.LimitBytes)
	}
	c.Clear()
	if u := c.Usage(); u.Records != 0 || u.Bytes != 0 {
		t.Errorf("nothing is %+v", u)
	}
}

// TestDeclaredCost holds the promise that the hot tier takes of the heap what it says: within a quarter, full and half full, for small and for
// large memories.
func TestDeclaredCost(t *testing.T) {
	limit := int64(16 << 20)
	if os.Getenv("ENGRAMD_TEST_LARGE") != "" {
		limit = 64 << 20
	}
	for _, contentBytes := range []int{100, 200, 1000, 8000} {
		content := string(make([]byte, contentBytes))
		before := heap()
		c := newCache(t, limit)
		n := uint64(limit) / uint64(contentBytes+64+176)
		for _, share := range []uint64{2, 1} {
			for key := range n / share {
				c.Set(key, valueOf(record.Ord(key+1), content, key+1))
				if key%10_000 == 0 {
					c.Wait()
				}
			}
			c.Wait()
			u, grown := c.Usage(), heap()-before
			declared := u.Bytes + u.FixedBytes
			ratio := float64(declared) / float64(grown)
			t.Logf("content of %d B, 1/%d full: %d copies, declared %.1f MiB, heap %.1f MiB: %.2f", contentBytes, share, u.Records,
				float64(declared)/(1<<20), float64(grown)/(1<<20), ratio)
			if ratio < 0.75 || ratio > 1.25 {
				t.Errorf("content of %d B, 1/%d full: declared %d bytes, the heap grew by %d", contentBytes, share, declared, grown)
			}
		}
		c.Close()
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
