package tier

import (
	"bytes"
	"context"
	"errors"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// loadDictionaries reads what trainIfWorth kept. One that cannot be read makes only what was compressed with it or a later one unreadable.
func (v *View) loadDictionaries() {
	var list []dictionary
	var err error
	for number := 1; number <= mostDictionaries; number++ {
		var b []byte
		if b, err = v.space.Meta(dictionaryName(number)); err != nil || b == nil {
			break
		}
		var d dictionary
		if d, err = unmarshalDictionary(b); err != nil {
			break
		}
		list = append(list, d)
	}
	if len(list) > 0 {
		err = errors.Join(err, v.codec.set(list))
	}
	if err != nil {
		v.tiers.opts.Logger.Error("a dictionary cannot be read: restore the space from a snapshot", "space", v.space.Name(), "error", err)
	}
}

// trainIfWorth makes a dictionary when there are enough memories for the first one, or many more than at the last.
func (v *View) trainIfWorth(ctx context.Context) error {
	total, list := v.total(), v.codec.list()
	least := max(leastSamples, 2*v.failedAt.Load())
	if n := len(list); n > 0 {
		least = max(least, growth*list[n-1].trainedAt)
	}
	if total < least || len(list) >= mostDictionaries {
		return nil
	}
	samples, err := v.samples(ctx, total)
	if err != nil {
		return err
	}
	number := len(list) + 1
	b, err := train(samples, number)
	if err != nil {
		v.failedAt.Store(total)
		v.tiers.opts.Logger.Info("cold memories are compressed without a new dictionary", "space", v.space.Name(), "memories", total, "reason", err)
		return nil
	}
	return v.adopt(dictionary{trainedAt: total, bytes: b}, list, number)
}

// adopt keeps a dictionary with the base before anything is compressed with it.
func (v *View) adopt(d dictionary, list []dictionary, number int) error {
	next := append(list[:len(list):len(list)], d)
	if _, err := newDictionaries(next); err != nil {
		v.failedAt.Store(d.trainedAt)
		v.tiers.opts.Logger.Warn("a trained dictionary is of no use", "space", v.space.Name(), "error", err)
		return nil
	}
	if err := v.space.SetMeta(dictionaryName(number), d.marshal()); err != nil {
		return err
	}
	v.tiers.opts.Logger.Info("trained a dictionary", "space", v.space.Name(), "number", number, "memories", d.trainedAt, "bytes", len(d.bytes))
	return v.codec.set(next)
}

// samples returns payloads of memories from the whole space.
func (v *View) samples(ctx context.Context, total int64) ([][]byte, error) {
	_, stored, _ := v.books.snapshot()
	each := max(1, (stored[Hot]+stored[Warm]+stored[Cold])/total)
	step := max(1, total/min(mostSamples, max(leastSamples/4, samplesBytes/each)))
	var out [][]byte
	var seen int64
	for at, p := range v.table.all() {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var ords []record.Ord
		p.each(false, record.Ord(at*pageRows), func(ord record.Ord, _ *page, _ int) {
			if seen++; seen%step == 0 {
				ords = append(ords, ord)
			}
		})
		for _, ord := range ords {
			err := v.stored(ord, func(_ record.Value, plain []byte) error {
				out = append(out, bytes.Clone(plain[:min(len(plain), sampleBytes)]))
				return nil
			})
			if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, record.ErrCorrupt) {
				return nil, err
			}
		}
	}
	return out, nil
}
