package main

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
)

// probeTime bounds what doctor and init may ask of one platform.
const probeTime = 15 * time.Second

// local are the platforms of this host alone: what is found there runs here, and nobody else manages it.
func local() actuators.Registry {
	all := registry()
	maps.DeleteFunc(all, func(_ string, p actuators.Platform) bool { return p.Admission != "" })
	return all
}

// An answer is what a platform said to a question.
type answer[T any] struct {
	answer T
	err    error
}

// askAll asks every platform something at the same time, and yields the answers in the order of their
// names. One that has not answered when its time is over is waited for no longer.
func askAll[T any](ctx context.Context, platforms actuators.Registry, patience time.Duration, ask func(context.Context, actuators.Platform) (T, error)) iter.Seq2[string, answer[T]] {
	ctx, cancel := context.WithTimeout(ctx, patience)
	answers := map[string]chan answer[T]{}
	for name, p := range platforms {
		told := make(chan answer[T], 1) // who comes too late does not wait either
		answers[name] = told
		go func() {
			got, err := ask(ctx, p)
			told <- answer[T]{got, err}
		}()
	}
	return func(yield func(string, answer[T]) bool) {
		defer cancel()
		for _, name := range slices.Sorted(maps.Keys(answers)) {
			var got answer[T]
			select {
			case got = <-answers[name]:
			case <-ctx.Done():
				select {
				case got = <-answers[name]:
				default:
					got.err = fmt.Errorf("no answer within %s: %w", patience, context.Cause(ctx))
				}
			}
			if !yield(name, got) {
				return
			}
		}
	}
}
