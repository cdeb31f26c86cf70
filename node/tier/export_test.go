package tier

import (
	"fmt"
	"maps"
	"math"

	"github.com/engramd/engramd/node/record"
)

// Check compares the sums of a view with its rows, and each row with what the space has stored. Nothing may change meanwhile.
func (v *View) Check() error {
	var count, bytes [tiers]int64
	bars := map[int64]int64{}
	var err error
	v.table.each(false, func(ord record.Ord, p *page, i int) {
		count[p.tier[i]]++
		bytes[p.tier[i]] += int64(p.size[i])
		bars[bucketOf(p.access[i].score())]++
		stored := v.space.Read(ord, func(value record.Value) error {
			if (value.Codec() != record.Plain) != (p.tier[i] == Cold) || len(value) != int(p.size[i]) {
				return fmt.Errorf("memory %d is %v with %d bytes, and stored with codec %d in %d", ord, p.tier[i], p.size[i], value.Codec(), len(value))
			}
			return nil
		})
		if err == nil {
			err = stored
		}
	})
	if err != nil {
		return err
	}
	for _, t := range All {
		if v.books.count[t] != count[t] || v.books.bytes[t] != bytes[t] {
			return fmt.Errorf("books say %d memories and %d bytes are %v; rows say %d and %d", v.books.count[t], v.books.bytes[t], t, count[t], bytes[t])
		}
	}
	if !maps.Equal(bars, v.books.bars) {
		return fmt.Errorf("histogram %v, rows %v", v.books.bars, bars)
	}
	if n := int64(v.space.Count()); v.books.total() != n {
		return fmt.Errorf("%d memories in tiers, %d in the space", v.books.total(), n)
	}
	return nil
}

// SweepNow is a sweep of the schedule, in both directions.
func (t *Tiers) SweepNow() {
	s, now := t.Settings(), t.opts.Now()
	for _, v := range t.open() {
		v.relax(t.pressure())
		t.sweep(v, s.Policy, mode{evict: !t.filling(), limit: math.MaxInt64}, now)
	}
}
