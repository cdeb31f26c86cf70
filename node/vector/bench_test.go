package vector_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/vector"
	"github.com/viterin/vek/vek32"
	"golang.org/x/sys/unix"
)

// BenchmarkSearch tells the time of a search for the 100 nearest of 100,000 vectors of 768 numbers (ENGRAM_BENCH_VECTORS: of so many), and how
// it compares with the time to sum the same bytes of the same file (of_sum; 1.3 at most). The two take
// turns; medians count.
func BenchmarkSearch(b *testing.B) {
	const dim = 768
	n := 100_000
	if s := os.Getenv("ENGRAM_BENCH_VECTORS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	w := newWorld(b, vector.Options{})
	rng := rand.New(rand.NewPCG(8, 8))
	for ord := record.Ord(1); int(ord) <= n; ord++ {
		w.put(ord, random(rng, dim))
		if ord%20_000 == 0 {
			w.checkpoint()
		}
	}
	w.checkpoint()
	query := random(rng, dim)
	for _, metric := range []struct {
		name   string
		metric vector.Metric
	}{{"cosine", vector.Cosine}, {"dot", vector.Dot}} {
		b.Run(metric.name, func(b *testing.B) {
			stored := floatsOf(b, w.opts.Dir+"/vectors", n*dim)
			q := vector.Query{Vector: query, K: 100, Metric: metric.metric}
			if _, err := w.Search(b.Context(), q); err != nil {
				b.Fatal(err)
			}
			sink += vek32.Sum(stored)
			var searches, sums []time.Duration
			for b.Loop() {
				begin := time.Now()
				r, err := w.Search(b.Context(), q)
				searches = append(searches, time.Since(begin))
				if err != nil || len(r.Hits) != 100 || r.Scanned != n {
					b.Fatal(len(r.Hits), err)
				}
				begin = time.Now()
				sink += vek32.Sum(stored)
				sums = append(sums, time.Since(begin))
			}
			slices.Sort(searches)
			slices.Sort(sums)
			search, sum := searches[len(searches)/2], sums[len(sums)/2]
			b.ReportMetric(float64(search.Microseconds())/1000, "ms/search")
			b.ReportMetric(float64(search)/float64(sum), "of_sum")
		})
	}
}

// sink keeps what is computed for nothing.
var sink float32

// floatsOf maps the file and returns as many of its numbers as there are in the vectors.
func floatsOf(b *testing.B, name string, n int) []float32 {
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	data, err := unix.Mmap(int(f.Fd()), 0, 8192+4*n, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := unix.Munmap(data); err != nil {
			b.Error(err)
		}
	})
	return unsafe.Slice((*float32)(unsafe.Pointer(&data[8192])), n)
}
