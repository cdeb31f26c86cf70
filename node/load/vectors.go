package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
	"unsafe"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/vector"
	"github.com/viterin/vek/vek32"
	"golang.org/x/sys/unix"
)

// nearest is how many hits a search is asked for.
const nearest = 100

// benchVectors compares exact searches with summing the same bytes of the same file, in turns; medians count.
func benchVectors(ctx context.Context, j *job) error {
	o := node.Options{DataDir: filepath.Join(j.Dir, "vectors"), Dimension: j.Dimension}
	return with(ctx, o, func(r *running) error {
		if err := j.fillVectors(ctx, r); err != nil {
			return err
		}
		stored, unmap, err := mapFloats(filepath.Join(r.space.Dir(), "vectors"), j.Vectors*j.Dimension)
		if err != nil {
			return err
		}
		defer unmap()
		view, err := r.Vectors(node.DefaultSpace)
		if err != nil {
			return err
		}
		q := vector.Query{Vector: j.generator(j.Vectors).Vector(-1, j.Dimension), K: nearest}
		searches, sums, err := compareScans(ctx, view, q, stored, j.Duration)
		if err != nil {
			return err
		}
		if err := j.row("p50", millis(percentile(searches, 0.5)), "ms", Bound{}); err != nil {
			return err
		}
		return j.ratio("of_sum", float64(percentile(searches, 0.5))/float64(percentile(sums, 0.5)), "summing the same bytes", atMost(1.3))
	})
}

func (j *job) fillVectors(ctx context.Context, r *running) error {
	g := j.generator(j.Vectors)
	const group = 1000
	for at := 0; at < j.Vectors; at += group {
		ms := make([]node.Memory, min(group, j.Vectors-at))
		for k := range ms {
			ms[k] = g.Memory(at + k)
			ms[k].Vector = g.Vector(at+k, j.Dimension)
		}
		if err := rememberAll(ctx, r, ms); err != nil {
			return err
		}
	}
	return r.Store().Checkpoint(ctx)
}

func compareScans(ctx context.Context, view *vector.View, q vector.Query, stored []float32, lasts time.Duration) (searches, sums []time.Duration, err error) {
	if _, err := view.Search(ctx, q); err != nil { // reads and checks the whole file
		return nil, nil, err
	}
	sum := vek32.Sum(stored)
	for begin := time.Now(); len(searches) < 3 || time.Since(begin) < lasts; {
		at := time.Now()
		found, err := view.Search(ctx, q)
		searches = append(searches, time.Since(at))
		if err != nil {
			return nil, nil, err
		}
		if len(found.Hits) != nearest || found.Partial {
			return nil, nil, fmt.Errorf("a search for %d found %d of %d", nearest, len(found.Hits), found.Scanned)
		}
		at = time.Now()
		sum += vek32.Sum(stored)
		sums = append(sums, time.Since(at))
	}
	runtime.KeepAlive(sum)
	return searches, sums, nil
}

// headerBytes come before the vectors in their file.
const headerBytes = 8192

// mapFloats maps a vector file and returns as many of its numbers as there are in the vectors.
func mapFloats(name string, n int) ([]float32, func() error, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	data, err := unix.Mmap(int(f.Fd()), 0, headerBytes+4*n, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("map %s: %w", name, err)
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&data[headerBytes])), n), func() error { return unix.Munmap(data) }, nil
}

// rememberAll remembers ms and fails if one is refused.
func rememberAll(ctx context.Context, r *running, ms []node.Memory) error {
	done, err := r.RememberAll(ctx, node.DefaultSpace, ms)
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range done {
		errs = append(errs, d.Err)
	}
	return errors.Join(errs...)
}
