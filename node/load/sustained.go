package load

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/engramd/engramd/node"
)

// benchSustained lets 128 writers write for long, and looks at the log on the disk every now and then.
func benchSustained(ctx context.Context, j *job) error {
	return j.withLog(ctx, node.Options{DataDir: filepath.Join(j.Dir, "sustained")}, func(r *running) error {
		stop := make(chan struct{})
		done := make(chan watched, 1)
		go func() { done <- watchLog(r, stop) }()
		s, err := write(ctx, r, 128, strings.Repeat("x", recordBytes), j.SustainedFor)
		close(stop)
		w := <-done
		if err != nil {
			return err
		}
		if err := j.row("rate", s.perSecond(), "records/s", Bound{}); err != nil {
			return err
		}
		if err := j.row("p99", millis(percentile(s.times, 0.99)), "ms", Bound{}); err != nil {
			return err
		}
		if err := j.row("slowest", millis(slices.Max(s.times)), "ms", Bound{}); err != nil {
			return err
		}
		return j.row("wal_largest", float64(w.largest)/(1<<20), "MiB", below(1024))
	})
}

// watched is how large the log was at most.
type watched struct{ largest int64 }

func watchLog(r *running, stop <-chan struct{}) (w watched) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.largest = max(w.largest, r.Store().Stats().WAL.DiskBytes)
		case <-stop:
			w.largest = max(w.largest, r.Store().Stats().WAL.DiskBytes)
			return w
		}
	}
}
