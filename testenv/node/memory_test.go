package node_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/node"
)

// An endless is an import that does not end by itself, unless it is told to: memory after memory, each known by its number.
type endless struct {
	next      int // of the next line, from 1
	left      []byte
	perSecond int // lines at most; 0: as fast as they go
	most      int // lines; 0: no end
}

func (e *endless) Read(b []byte) (int, error) {
	if begin := e.next; e.perSecond > 0 {
		defer func() { <-time.After(time.Duration(e.next-begin) * time.Second / time.Duration(e.perSecond)) }()
	}
	for len(e.left) < 64<<10 && (e.most == 0 || e.next < e.most) {
		e.next++
		e.left = append(e.left, fmt.Sprintf(`{"id":"%s","content":"%s"}`+"\n", endlessID(e.next), endlessContent(e.next))...)
	}
	if len(e.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, e.left)
	e.left = e.left[n:]
	return n, nil
}

func endlessID(i int) string { return fmt.Sprintf("m%09d", i) }
func endlessContent(i int) string {
	return fmt.Sprintf("memory %d is remembered until there is no room for more", i)
}

// insists is how long a client imports again whenever it was refused.
const insists = 40 * time.Second

// from is an endless import that begins with this number.
func from(number int) *endless { return &endless{next: number - 1} }

// TestE2EMemoryEndsInARefusal imports without end into a group of 512 MiB, and insists: the node refuses when it has no memory left, the
// kernel kills nobody, and whatever was acknowledged is there and right, after a restart in the same group too.
func TestE2EMemoryEndsInARefusal(t *testing.T) {
	testenv.Need(t, "node")
	g := node.Confine(t, 512<<20)
	n := node.StartIn(t, g)
	through := 0
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for begin := time.Now(); through == 0 || time.Since(begin) < insists; <-again.C {
		got := n.Import(t, from(through+1))
		if through += got.Through; got.Through > 0 {
			t.Logf("after %v: %d memories, %d MiB are anonymous", time.Since(begin).Round(time.Second), through, g.AnonBytes(t)>>20)
		}
		if got.Problem == nil || got.Problem.Status != http.StatusInsufficientStorage {
			t.Fatalf("the import ended with %+v (%+v), not with 507", got, got.Problem)
		}
		if through < 500_000 {
			t.Fatalf("only %d memories fitted", through)
		}
	}
	holds(t, n, g, through)
	n.Stop(t)
	n.Start(t)
	holds(t, n, g, through)
	if got := n.Import(t, from(through+1)); got.Problem == nil || got.Problem.Status != http.StatusInsufficientStorage {
		t.Errorf("after a restart an import ended with %+v (%+v), not with 507", got, got.Problem)
	}
	if killed := g.OOMKills(t); killed > 0 {
		t.Errorf("the kernel killed %d processes", killed)
	}
}

// holds reads all memories up to a number, some by themselves and all in an export.
func holds(t *testing.T, n *node.Node, g *node.Group, through int) {
	t.Helper()
	for i := 1; i <= through; i += max(1, through/1000) {
		var m struct{ Content string }
		if status := n.Get(t, "/api/v1/memories/"+endlessID(i), &m); status != http.StatusOK || m.Content != endlessContent(i) {
			t.Fatalf("memory %d of %d: %d %q", i, through, status, m.Content)
		}
	}
	seen := 0
	n.Export(t, func(line []byte) {
		seen++
		var m struct{ ID, Content string }
		if err := json.Unmarshal(line, &m); err != nil || m.ID != endlessID(seen) || m.Content != endlessContent(seen) {
			t.Fatalf("line %d of the export: %v %s", seen, err, line)
		}
	})
	if seen < through {
		t.Errorf("the export has %d memories, %d were acknowledged", seen, through)
	}
	t.Logf("all are there; %d MiB are anonymous", g.AnonBytes(t)>>20)
	if killed := g.OOMKills(t); killed > 0 {
		t.Errorf("the kernel killed %d processes", killed)
	}
}
