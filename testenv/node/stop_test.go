package node_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/node"
)

// open is an import that waits for more lines, behind one that was answered.
func open(t *testing.T, n *node.Node) (more *io.PipeWriter, answers *bufio.Reader) {
	t.Helper()
	body, more := io.Pipe()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.URL+"/api/v1/memories/import", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	go func() { _, _ = io.WriteString(more, `{"id": "first", "content": "x"}`+"\n") }()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = more.Close()
		_ = resp.Body.Close()
	})
	answers = bufio.NewReader(resp.Body)
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, `"first"`) {
		t.Fatalf("the first line: %q, %v", line, err)
	}
	return more, answers
}

// TestE2EStopFinishesWhatIsUnderWay ends a node in the middle of an import: what comes in time is taken, the rest is told, and
// the end is an orderly one.
func TestE2EStopFinishesWhatIsUnderWay(t *testing.T) {
	testenv.Need(t, "node")
	n := node.Start(t)
	more, answers := open(t, n)
	if err := n.Signal(syscall.SIGTERM, 200*time.Millisecond); err == nil {
		t.Fatal("it did not wait for the import")
	}
	if _, err := io.WriteString(more, `{"id": "second", "content": "y"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, `"second"`) {
		t.Errorf("a line after the signal: %q, %v", line, err)
	}
	began := time.Now()
	n.Ends(t)
	t.Logf("it ended %v later", time.Since(began))
	if rest, err := io.ReadAll(answers); err == nil && !strings.Contains(string(rest), `"problem"`) {
		t.Errorf("the import that was cut off ends with %q", rest)
	}
	n.Start(t)
	for _, id := range []string{"first", "second"} {
		n.Do(t, "curl -sf http://localhost:7432/api/v1/memories/"+id)
	}
}

// TestE2ESecondSignalEndsAtOnce does not wait for anything the second time.
func TestE2ESecondSignalEndsAtOnce(t *testing.T) {
	testenv.Need(t, "node")
	n := node.Start(t)
	open(t, n)
	if err := n.Signal(syscall.SIGINT, 200*time.Millisecond); err == nil {
		t.Fatal("it did not wait for the import")
	}
	if err := n.Signal(syscall.SIGTERM, 2*time.Second); err != nil {
		t.Error(err)
	}
	n.Start(t)
	n.Do(t, "curl -sf http://localhost:7432/api/v1/memories/first")
}
