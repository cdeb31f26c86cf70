package node_test

import (
	"context"

	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	driver "github.com/engramd/engramd/actuators/node"
	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/threads"
	"github.com/engramd/engramd/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a real node behind a server that can be told to misbehave, and the driver.
type world struct {
	node   *node.Node
	client *api.Client
	driver *driver.Driver
	url    string
	target policy.Target
	served http.Handler // the node's API
	// front, if not nil, answers instead of the node when it returns true.
	front atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]
	asked atomic.Int64 // requests that would change something
}

// begin starts a node.
func begin(t *testing.T, opts node.Options) *world {
	t.Helper()
	opts.DataDir = t.TempDir()
	if opts.HotBytes == 0 {
		opts.HotBytes = 8 << 20
	}
	n, err := node.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	w := &world{node: n, driver: driver.New(nil)}
	w.served = api.New(n, api.Options{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.asked.Add(1)
		}
		if front := w.front.Load(); front != nil && (*front)(rw, r) {
			return
		}
		w.served.ServeHTTP(rw, r)
	}))
	w.url = server.URL
	w.target = policy.Target{Name: "engram", Specs: map[string]any{"node": &driver.Spec{URL: w.url}}}
	if w.client, err = api.NewClient(w.url, api.ClientOptions{}); err != nil {
		t.Fatal(err)
	}
	procs, limit := runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1)
	t.Cleanup(func() {
		w.client.Close()
		if err := w.driver.Close(); err != nil {
			t.Error(err)
		}
		server.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		runtime.GOMAXPROCS(procs)
		debug.SetMemoryLimit(limit)
	})
	return w
}

// older has the node not know what came later.
func (w *world) older() {
	w.instead(func(rw http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/api/v1/admin/memory", "/api/v1/admin/storage/wal", "/api/v1/admin/storage/snapshots/settings":
			rw.WriteHeader(http.StatusNotFound)
			_, _ = rw.Write([]byte(`{"type":"urn:engramd:problem:no-endpoint","title":"Not Found","status":404}`))
			return true
		}
		return false
	})
}

func (w *world) instead(front func(http.ResponseWriter, *http.Request) bool) { w.front.Store(&front) }

// gone has the front end every connection without an answer.
func (w *world) gone() {
	w.instead(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
}

func (w *world) back() { w.front.Store(nil) }

// with puts sizes in force, as the node's configuration would.
func (w *world) with(t *testing.T, sizes policy.Size) {
	t.Helper()
	set := func(path, format string) {
		t.Helper()
		resp, err := http.Post(w.url+path, "application/json", strings.NewReader(format))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %s", path, format, resp.Status)
		}
	}
	for r, q := range sizes {
		n, _ := q.Amount()
		f := func(s string) string { return strings.ReplaceAll(s, "N", number(float64(n))) }
		switch r {
		case policy.ThreadsSpreading:
			set("/api/v1/admin/threading", f(`{"spreading_workers":N}`))
		case policy.ThreadsConsolidation:
			set("/api/v1/admin/threading", f(`{"consolidation_workers":N}`))
		case policy.CPU:
			set("/api/v1/admin/threading", strings.ReplaceAll(`{"gomaxprocs":N}`, "N", number(float64(n)/1000)))
		case policy.Memory:
			set("/api/v1/admin/memory", f(`{"limit_bytes":N}`))
		case policy.TiersHotThreshold:
			set("/api/v1/admin/storage/eviction", strings.ReplaceAll(`{"hot_threshold":N}`, "N", number(float64(n)/1e6)))
		case policy.TiersWarmThreshold:
			set("/api/v1/admin/storage/eviction", strings.ReplaceAll(`{"warm_threshold":N}`, "N", number(float64(n)/1e6)))
		case policy.TiersHotTierSize:
			set("/api/v1/admin/storage/eviction", f(`{"hot_bytes":N}`))
		case policy.Retain:
			set("/api/v1/admin/storage/wal", f(`{"retention":"Ns"}`))
		}
	}
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// cores is how many the process may use.
func cores(t *testing.T) int64 {
	t.Helper()
	all, err := threads.Allowed()
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(all))
}
