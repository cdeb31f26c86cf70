package load

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Options say what is measured, and at which sizes. Zero values are defaults.
type Options struct {
	Dir          string        // where room is made; the system's directory for temporary files
	Only         []string      // names of benches; all
	Sizes        []int         // memories; 1,000,000
	SpreadSizes  []int         // memories of further graphs, for spreads only; none
	Degree       int           // edges that leave from a memory; 10
	ContentBytes int           // of a memory of a size; 200
	Vectors      int           // memories with a vector; 100,000
	Dimension    int           // of those; 768
	Duration     time.Duration // of what is measured by the clock; 10 s
	SustainedFor time.Duration // of the long write; 60 s
	MemoryLimit  int64         // GOMEMLIMIT of the bench of memory; 700 MiB
	// SyncDelay is how much longer each sync of the log takes, and of the bare loop: for a disk that answers out of its cache.
	SyncDelay time.Duration
	Seed      uint64
	// Self starts this program as a worker, which calls [Work]: the job is added as the last argument. Nil: everything in this process.
	Self   []string
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if len(o.Sizes) == 0 {
		o.Sizes = []int{1_000_000}
	}
	def(&o.Degree, 10)
	def(&o.ContentBytes, 200)
	def(&o.Vectors, 100_000)
	def(&o.Dimension, 768)
	def(&o.Duration, 10*time.Second)
	def(&o.SustainedFor, 60*time.Second)
	def(&o.MemoryLimit, 700<<20)
	def(&o.Seed, 1)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Validate reports all faults of o.
func (o Options) Validate() error {
	o = o.withDefaults()
	var errs []error
	for _, n := range slices.Concat(o.Sizes, o.SpreadSizes) {
		if n < 100 {
			errs = append(errs, fmt.Errorf("memories: %d are too few to measure anything; at least 100", n))
		}
		if o.Degree >= n {
			errs = append(errs, fmt.Errorf("degree: %d memories cannot have %d edges each", n, o.Degree))
		}
	}
	if o.Degree < 1 || o.Vectors < 100 || o.Dimension < 1 || o.ContentBytes < 1 || o.Duration < 0 || o.SustainedFor < 0 {
		errs = append(errs, errors.New("degree, vectors (at least 100), dimension, content bytes and durations must be above zero"))
	}
	for _, name := range o.Only {
		if !slices.Contains(Names(), name) {
			errs = append(errs, fmt.Errorf("there is no bench %q; there are %v", name, Names()))
		}
	}
	return errors.Join(errs...)
}
