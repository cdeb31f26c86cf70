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

// BenchmarkQueue is what a pool adds to a job of one of many callers, per job, while as many run as there are cores. The job is
// empty, so this is all hand-over.
func BenchmarkQueue(b *testing.B) {
	cores := allowed(b)
	for name, on := range map[string]threads.CPUs{"unbound": nil, "bound": cores} {
		p, err := threads.NewPool(threads.PoolOptions[*room]{Cores: on, Workers: len(cores), New: func() *room { return &room{} }})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := p.Do(b.Context(), func(r *room) error { r.jobs++; return nil }); err != nil {
						b.Error(err)
					}
				}
			})
		})
		p.Close()
	}
}
