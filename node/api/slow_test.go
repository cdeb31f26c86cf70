package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/node/api"
)

// A pipes is a listener without a network, so that slow clients run in virtual time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

func TestSlowClientsAreLetGo(t *testing.T) {
	large := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		for r.Method == http.MethodGet && err == nil {
			_, err = w.Write(make([]byte, 1<<16))
		}
	})
	tests := map[string]struct {
		says string
		most time.Duration
	}{
		"says nothing":         {"", 10 * time.Second},
		"half a header":        {"GET / HTTP/1.1\r\nHost: x\r\nX-", 10 * time.Second},
		"half a body":          {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", 31 * time.Second},
		"never reads":          {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 101 * time.Second},
		"idle after an answer": {"GET /missing HTTP/1.1\r\nHost: x\r\n\r\n", 121 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mux := http.NewServeMux()
				mux.Handle("/{$}", large)
				p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
				server := api.Server(mux, api.Limits{})
				done := make(chan error, 1)
				go func() { done <- server.Serve(p) }()
				conn := p.dial()
				if _, err := io.Copy(conn, strings.NewReader(test.says)); err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				if name == "never reads" {
					time.Sleep(test.most)
				}
				_, _ = io.Copy(io.Discard, conn) // its end is what is waited for
				if took := time.Since(begin); took > test.most {
					t.Errorf("held for %v", took)
				}
				if err := server.Close(); err != nil {
					t.Error(err)
				}
				<-done
			})
		})
	}
}

// TestSlowStreams: an import may take as long as lines come, and is let go when none do.
func TestSlowStreams(t *testing.T) {
	w := begin(t, api.Options{})
	handler := httptest.NewUnstartedServer(w.api)
	handler.Config = api.Server(w.api, api.Limits{ReadTime: 50 * time.Millisecond, WriteTime: 50 * time.Millisecond})
	handler.Start()
	defer handler.Close()
	body, to := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), "POST", handler.URL+importPath, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	first := make(chan struct{})
	go func() {
		fmt.Fprintln(to, `{"id":"a","content":"A"}`)
		<-first
		time.AfterFunc(200*time.Millisecond, func() { // four times what other requests get
			fmt.Fprintln(to, `{"id":"b","content":"B"}`)
			to.Close()
		})
	}()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	close(first)
	all, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(all), `"done":true`) {
		t.Errorf("%v: %s", err, all)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{}, 3)
	server := httptest.NewUnstartedServer(nil)
	server.Config = api.Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			held <- struct{}{}
			<-hold
		}
		fmt.Fprint(w, "served")
	}), api.Limits{Connections: 3})
	server.Start()
	defer server.Close()
	dial := func(path string) (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if path != "" {
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		}
		return c, bufio.NewReader(c)
	}
	status := func(r *bufio.Reader) int {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return 0
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	idle, idleReader := dial("/")
	if status(idleReader) != 200 {
		t.Fatal("not served")
	}
	_, one := dial("/hold")
	_, two := dial("/hold")
	<-held
	<-held
	// The idle one goes for a new one.
	_, three := dial("/")
	if got := status(three); got != 200 {
		t.Errorf("the new connection got %d", got)
	}
	_ = idle.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := idleReader.ReadByte(); err != io.EOF && !isReset(err) {
		t.Errorf("the idle connection is still there: %v", err)
	}
	// That one makes room in its turn, as soon as the server has noticed that it is idle. Then all are busy, and a new one is refused.
	var four *bufio.Reader
	answered := make(chan error, 1)
	for took := false; !took; {
		_, four = dial("/hold")
		go func() {
			_, err := four.Peek(1)
			answered <- err
		}()
		select {
		case <-held:
			took = true
		case <-answered: // refused
		}
	}
	_, five := dial("/")
	if got := status(five); got != http.StatusServiceUnavailable && got != 0 {
		t.Errorf("the connection beyond the bound got %d", got)
	}
	close(hold)
	<-answered
	for i, r := range []*bufio.Reader{one, two, four} {
		if got := status(r); got != 200 {
			t.Errorf("connection %d got %d", i, got)
		}
	}
}

func isReset(err error) bool { return err != nil && strings.Contains(err.Error(), "reset") }

// TestE2ETenThousandConnections holds ten thousand connections, and is served beside them.
func TestE2ETenThousandConnections(t *testing.T) {
	if os.Getenv("ENGRAMD_E2E") == "" {
		t.Skip("takes ten thousand connections: set ENGRAMD_E2E")
	}
	w := begin(t, api.Options{})
	var mu sync.Mutex
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served := make(chan int)
	go func() { // an existing client
		n := 0
		for ctx.Err() == nil {
			if _, err := w.client.Remember(ctx, "", api.NewMemory{Content: "x"}); err == nil {
				n++
			}
		}
		served <- n
	}()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 500 {
				c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
				if err != nil {
					continue
				}
				fmt.Fprint(c, "GET /health HTTP/1.1\r\nHost: localhost\r\n") // and never an end
				mu.Lock()
				open = append(open, c)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	runtime.ReadMemStats(&after)
	w.must(http.StatusOK, "GET", "/health", "")
	stop()
	if n := <-served; n == 0 {
		t.Error("an existing client was not served")
	}
	if grown := int64(after.HeapInuse+after.StackInuse) - int64(before.HeapInuse+before.StackInuse); grown > 256<<20 {
		t.Errorf("%d connections take %d MiB", len(open), grown>>20)
	}
	t.Logf("%d connections, %d MiB", len(open), (int64(after.HeapInuse+after.StackInuse)-int64(before.HeapInuse+before.StackInuse))>>20)
}
