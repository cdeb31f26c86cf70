package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/api"
)

// serve runs a node behind HTTP for a benchmark.
func serve(b *testing.B) (*node.Node, *api.Client) {
	b.Helper()
	n, err := node.Open(node.Options{DataDir: b.TempDir(), HotBytes: 64 << 20})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	a := api.New(n, api.Options{})
	server := httptest.NewUnstartedServer(a)
	server.Config = api.Server(a, api.Limits{})
	server.Start()
	c, err := api.NewClient(server.URL, api.ClientOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		c.Close()
		server.Close()
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		if err := n.Close(); err != nil {
			b.Error(err)
		}
	})
	return n, c
}

// BenchmarkRemember is durable writes over 64 connections, with the client on the same cores.
func BenchmarkRemember(b *testing.B) {
	for _, dim := range []int{0, 768} {
		b.Run(fmt.Sprintf("dim=%d", dim), func(b *testing.B) {
			_, c := serve(b)
			content := strings.Repeat("x", 1024)
			vector := make(api.Vector, dim)
			for i := range vector {
				vector[i] = rand.Float32()
			}
			const connections = 64
			took := make([]time.Duration, b.N)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range connections {
				wg.Go(func() {
					for {
						i := next.Add(1) - 1
						if i >= int64(b.N) {
							return
						}
						begin := time.Now()
						if _, err := c.Remember(context.Background(), "", api.NewMemory{Content: content, Vector: vector}); err != nil {
							b.Error(err)
							return
						}
						took[i] = time.Since(begin)
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// BenchmarkImport imports b.N memories of 200 B and ten edges each.
func BenchmarkImport(b *testing.B) {
	_, c := serve(b)
	content := strings.Repeat("y", 200)
	lines, to := io.Pipe()
	go func() {
		w := bufio.NewWriterSize(to, 64<<10)
		for i := range b.N {
			fmt.Fprintf(w, `{"id":"m%d","content":"%s"}`+"\n", i, content)
		}
		for i := range b.N {
			for range 10 {
				fmt.Fprintf(w, `{"from":"m%d","to":"m%d","weight":0.5}`+"\n", i, (i+1+rand.IntN(max(1, b.N-1)))%b.N)
			}
		}
		w.Flush()
		to.Close()
	}()
	b.ResetTimer()
	r, err := c.Import(context.Background(), "", lines, api.ImportOptions{Failed: true}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(r.Memories+r.Edges)/b.Elapsed().Seconds(), "lines/s")
}
