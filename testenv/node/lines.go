package node

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// An Imported is what an import answers: a line for each that was refused, how far everything is durable, and at last how it ended.
type Imported struct {
	Status                        int // of the answer
	Through                       int // all lines up to this one are durable, or refused
	Done                          bool
	Memories, Same, Edges, Failed int
	Problem                       *Problem // what ended it, or the first line that was refused
}

// A Problem is a problem document.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// client waits for long imports, and not for ever.
var client = &http.Client{Timeout: 10 * time.Minute}

// Import sends lines to the node, and returns how that ended, also when the node ended it.
func (n *Node) Import(t testing.TB, lines io.Reader) Imported {
	t.Helper()
	resp, err := client.Post(n.URL+"/api/v1/memories/import?results=failed", "application/x-ndjson", lines)
	if err != nil {
		t.Fatalf("testenv/node: import: %v", err)
	}
	defer resp.Body.Close()
	out := Imported{Status: resp.StatusCode}
	if resp.StatusCode != http.StatusOK {
		out.Problem = new(Problem)
		if err := json.NewDecoder(resp.Body).Decode(out.Problem); err != nil {
			t.Errorf("testenv/node: import: %s without a problem document: %v", resp.Status, err)
		}
		return out
	}
	answers := bufio.NewScanner(resp.Body)
	for out.Problem == nil && !out.Done && answers.Scan() { // whoever sends on may lose what comes after the end
		if err := json.Unmarshal(answers.Bytes(), &out); err != nil {
			t.Fatalf("testenv/node: import: %v in %q", err, answers.Bytes())
		}
	}
	if err := answers.Err(); err != nil && !out.Done && out.Problem == nil {
		t.Errorf("testenv/node: import: its answer breaks off: %v", err)
	}
	return out
}

// Export calls each with every line of an export.
func (n *Node) Export(t testing.TB, each func(line []byte)) {
	t.Helper()
	resp, err := client.Get(n.URL + "/api/v1/memories/export")
	if err != nil {
		t.Fatalf("testenv/node: export: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("testenv/node: export: %s", resp.Status)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		each(lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("testenv/node: export: %v", err)
	}
}

// Post sends v as JSON and reads the answer into reply, if that is not nil. It returns the status.
func (n *Node) Post(t testing.TB, path string, v, reply any) int {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Post(n.URL+path, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatalf("testenv/node: %s: %v", path, err)
	}
	return read(t, resp, path, reply)
}

// Get reads what is at path into reply, if that is not nil. It returns the status.
func (n *Node) Get(t testing.TB, path string, reply any) int {
	t.Helper()
	resp, err := client.Get(n.URL + path)
	if err != nil {
		t.Fatalf("testenv/node: %s: %v", path, err)
	}
	return read(t, resp, path, reply)
}

func read(t testing.TB, resp *http.Response, path string, reply any) int {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && reply != nil {
		err = json.Unmarshal(body, reply)
	}
	if err != nil {
		t.Fatalf("testenv/node: %s: %s: %v in %.300s", path, resp.Status, err, fmt.Sprintf("%q", body))
	}
	return resp.StatusCode
}
