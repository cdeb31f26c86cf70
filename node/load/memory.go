package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/tier"
)

// benchMemory measures what a node with the memories of a size takes, under a limit for Go's heap that it states: at rest, and at most
// while two workers spread and everything is merged. And it compares what hot copies say they take with what the heap grows by.
func benchMemory(ctx context.Context, j *job) error {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(j.MemoryLimit))
	if err := j.row("gomemlimit", float64(j.MemoryLimit)/1e6, "MB", Bound{}); err != nil {
		return err
	}
	return with(ctx, j.nodeOptions(), func(r *running) error {
		if err := j.hotCopies(ctx, r); err != nil {
			return err
		}
		peak, err := peakOf(func() error { return j.busy(ctx, r) })
		if err != nil {
			return err
		}
		bound := below(600)
		if j.Memories > 1_000_000 {
			bound = Bound{}
		}
		return j.rows(
			Result{Name: "busy_rss_anon", Value: float64(peak.anon) / 1e6, Unit: "MB", Bound: bound},
			Result{Name: "busy_rss_file", Value: float64(peak.file) / 1e6, Unit: "MB"},
		)
	})
}

// hotCopies reads all hot memories, so that there are copies of them.
func (j *job) hotCopies(ctx context.Context, r *running) error {
	before, had := heap(), r.Tiers().Stats().HotResident.Bytes
	for ord := record.Ord(1); ord < r.space.Limit(); ord++ {
		if t, _ := r.tiers.Tier(ord); t != tier.Hot {
			continue
		}
		if id, ok := r.space.RecordID(ord); ok {
			if _, err := r.Get(ctx, node.DefaultSpace, id); err != nil {
				return err
			}
		}
	}
	declared := r.Tiers().Stats().HotResident
	grown := heap() - before
	if declared.Bytes <= had {
		return errors.New("nothing is hot")
	}
	rss, err := readRSS()
	if err != nil {
		return err
	}
	return j.rows(
		Result{Name: "hot_resident", Value: float64(declared.Bytes) / 1e6, Unit: "MB"},
		Result{Name: "hot_heap_of_declared", Value: float64(grown) / float64(declared.Bytes-had), Unit: "ratio", RatioTo: "the declared cost of hot copies", Bound: atMost(1.25)},
		Result{Name: "rest_rss_anon", Value: float64(rss.anon) / 1e6, Unit: "MB"},
		Result{Name: "rest_rss_file", Value: float64(rss.file) / 1e6, Unit: "MB"},
	)
}

// heap returns what is alive on Go's heap.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// busy lets two workers spread and one link, which fills the delta, and merges.
func (j *job) busy(ctx context.Context, r *running) error {
	ctx, stop := context.WithTimeout(ctx, j.Duration)
	defer stop()
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for w := range 2 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil && errs[w] == nil; i++ {
				errs[w] = unless(ctx, j.someSpreads(ctx, r, w+2*i))
			}
		})
	}
	wg.Go(func() { errs[2] = unless(ctx, j.relink(ctx, r)) })
	wg.Wait()
	return errors.Join(errs...)
}

// relink changes weights all over the graph, and merges after every ten thousand.
func (j *job) relink(ctx context.Context, r *running) error {
	g := j.generator(j.Memories)
	random := rand.New(rand.NewPCG(j.Seed, 4))
	for ctx.Err() == nil {
		for range 10 {
			var edges []node.Edge
			for range max(1, 1000/j.Degree) {
				edges = append(edges, g.Edges(random.IntN(j.Memories))...)
			}
			for i := range edges {
				edges[i].Weight = record.WeightOne/2 + record.Weight(random.IntN(int(record.WeightOne/2)))
			}
			if _, err := r.Link(ctx, node.DefaultSpace, edges); err != nil {
				return err
			}
		}
		if err := r.graph.Merge(ctx); err != nil {
			return err
		}
	}
	return nil
}

// rss is what the process has of memory, in bytes.
type rss struct{ anon, file int64 }

// peakOf returns the most that the process had while do went on.
func peakOf(do func() error) (peak rss, err error) {
	stop := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			now, err := readRSS()
			if err != nil {
				done <- err
				return
			}
			peak.anon, peak.file = max(peak.anon, now.anon), max(peak.file, now.file)
			select {
			case <-tick.C:
			case <-stop:
				done <- nil
				return
			}
		}
	}()
	err = do()
	close(stop)
	return peak, errors.Join(err, <-done)
}

func readRSS() (rss, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return rss{}, err
	}
	var out rss
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		kib, err := strconv.ParseInt(fields[1], 10, 64)
		switch {
		case err != nil:
		case fields[0] == "RssAnon:":
			out.anon = kib << 10
		case fields[0] == "RssFile:":
			out.file = kib << 10
		}
	}
	if out.anon == 0 {
		return out, errors.New("/proc/self/status tells no RssAnon")
	}
	return out, nil
}
