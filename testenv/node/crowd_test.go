package node_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/node"
	"golang.org/x/sys/unix"
)

// crowd is how many connections come at once.
const crowd = 10_000

// What clients say that then say no more.
const (
	nothing  = ""
	halfHead = "POST /api/v1/memories/remember HTTP/1.1\r\nHost: localhost\r\nContent-Ty"
	halfBody = "POST /api/v1/memories/remember HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"
	halfLine = "POST /api/v1/memories/import HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: 100000\r\n\r\n{"
)

// TestE2ECrowds lets thousands of clients connect and say half of something, or nothing. The node answers others, its memory stays small, and it
// is none the worse afterwards.
func TestE2ECrowds(t *testing.T) {
	for name, test := range map[string]struct {
		clients int
		say     []string
		served  bool // others are served meanwhile; else they may be told to come again, until the slow ones' time is over
	}{
		"idle":      {crowd, []string{nothing}, true},
		"slow":      {2000, []string{halfBody}, true},
		"all kinds": {crowd, []string{nothing, halfHead, halfBody, halfLine}, false},
	} {
		t.Run(name, func(t *testing.T) {
			testenv.Need(t, "node")
			n := node.Start(t)
			idle := rss(t, n)
			conns := connect(t, n, test.clients, test.say)
			refused := among(t, n)
			if test.served && refused > 0 {
				t.Errorf("%d requests were not served among %d clients that do nothing", refused, test.clients)
			}
			crowded := rss(t, n)
			t.Logf("%d of %d clients are connected; memory went from %d to %d MiB; %d requests were told to come again", len(conns), test.clients, idle>>20, crowded>>20, refused)
			if grown := crowded - idle; grown > 256<<20 {
				t.Errorf("%d connections take %d MiB", test.clients, grown>>20)
			}
			testenv.Eventually(t, time.Minute, "the time of slow clients is over", func() bool { return among(t, n) == 0 })
			for _, c := range conns {
				c.Close()
			}
			testenv.Eventually(t, time.Minute, "the node lets go of the connections", func() bool { return files(t, n) < 200 })
			n.Stop(t)
			n.Start(t)
			if status := n.Get(t, "/api/v1/memories/among", nil); status != http.StatusOK {
				t.Errorf("what was remembered among the crowd: %d", status)
			}
		})
	}
}

// among writes and reads as somebody new would, and returns how often it was told to come again. Every answer comes soon.
func among(t *testing.T, n *node.Node) (refused int) {
	t.Helper()
	for range 10 {
		begin := time.Now()
		got, err := newcomer(n, http.MethodPost, "/api/v1/memories/remember", `{"id":"among","content":"the crowd"}`)
		if err == nil && (got.status == http.StatusOK || got.status == http.StatusCreated) {
			got, err = newcomer(n, http.MethodGet, "/api/v1/memories/among", "")
		}
		switch {
		case err != nil: // closed before it had asked
			refused++
		case got.status == http.StatusOK && got.Content == "the crowd":
		case got.status == http.StatusServiceUnavailable && got.Status == got.status && got.Type != "":
			refused++
		default:
			t.Errorf("among the crowd: %+v", got)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("an answer took %v", took)
		}
	}
	return refused
}

// A reply is a memory or a problem document.
type reply struct {
	status        int
	Type, Content string
	Status        int
}

// newcomer asks on a connection of its own. It reads an answer that comes before its question too.
func newcomer(n *node.Node, method, path, body string) (r reply, err error) {
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(n.URL, "http://"), 10*time.Second)
	if err != nil {
		return r, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, asked := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return r, errors.Join(asked, err)
	}
	defer resp.Body.Close()
	r.status = resp.StatusCode
	return r, json.NewDecoder(resp.Body).Decode(&r)
}

// connect opens all connections that the node, or the kernel, takes, and says something on each.
func connect(t *testing.T, n *node.Node, clients int, say []string) []net.Conn {
	t.Helper()
	var may unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &may); err != nil || int(may.Cur) < clients+500 {
		t.Fatalf("this process may open %d files (%v); %d connections need more: ulimit -n 20000", may.Cur, err, clients)
	}
	addr := strings.TrimPrefix(n.URL, "http://")
	var mu sync.Mutex
	var conns []net.Conn
	var wg sync.WaitGroup
	next := make(chan int)
	for range 64 {
		wg.Go(func() {
			for i := range next {
				c, err := net.DialTimeout("tcp", addr, 2*time.Second)
				if err != nil {
					continue // refused is an answer
				}
				_, _ = c.Write([]byte(say[i%len(say)])) // it may be closed already
				mu.Lock()
				conns = append(conns, c)
				mu.Unlock()
			}
		})
	}
	for i := range clients {
		next <- i
	}
	close(next)
	wg.Wait()
	t.Cleanup(func() {
		for _, c := range conns {
			c.Close()
		}
	})
	return conns
}

// rss is the anonymous memory of the node's process.
func rss(t *testing.T, n *node.Node) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "RssAnon:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("the kernel tells no RssAnon")
	return 0
}

// files is how many files and connections the node's process has.
func files(t *testing.T, n *node.Node) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", n.PID()))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
