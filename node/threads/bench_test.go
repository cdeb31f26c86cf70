package threads_test

import (
	"testing"

	"github.com/engramd/engramd/node/threads"
)

// BenchmarkHandOff is what a pool adds to a job of one caller: nothing is done in it.
func BenchmarkHandOff(b *testing.B) {
	for name, cores := range map[string]threads.CPUs{"unbound": nil, "bound": allowed(b)[:1]} {
		p, err := threads.NewPool(threads.PoolOptions[*room]{Cores: cores, Workers: 2, New: func() *room { return &room{} }})
		if err != nil {
			b.Fatal(err)
		}
		job := func(r *room) error { r.jobs++; return nil }
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Do(b.Context(), job); err != nil {
					b.Fatal(err)
				}
			}
		})
		p.Close()
	}
}
