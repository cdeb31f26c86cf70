package api_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/engramd/engramd/node/api"
)

// endless is a body that does not end.
type endless struct{ line []byte }

func (e endless) Read(b []byte) (int, error) {
	for n := 0; ; {
		if n+len(e.line) > len(b) {
			return n, nil
		}
		n += copy(b[n:], e.line)
	}
}

// TestAnAnswerReachesWhoSendsOn: who is in the middle of sending when an import ends still gets to know why.
func TestAnAnswerReachesWhoSendsOn(t *testing.T) {
	w := begin(t, api.Options{})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for try := range 20 {
		first := bytes.NewReader([]byte("{\"id\":\"a\",\"content\":\"A\"}\nnot json\n"))
		body := io.MultiReader(first, endless{[]byte("{\"id\":\"a\",\"content\":\"A\"}\n")})
		resp, err := client.Post(w.url+importPath+"?strict=true&results=failed", "application/x-ndjson", body)
		if err != nil {
			t.Fatalf("try %d: %v", try, err)
		}
		told := make([]byte, 1)
		if _, err := io.ReadFull(resp.Body, told); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("try %d: %s: %v", try, resp.Status, err)
		}
		resp.Body.Close()
	}
	if _, err := w.node.EnableMaintenance("test", 0); err != nil {
		t.Fatal(err)
	}
	for try := range 20 {
		resp, err := client.Post(w.url+importPath, "application/x-ndjson", endless{[]byte("{\"id\":\"a\",\"content\":\"A\"}\n")})
		if err != nil {
			t.Fatalf("in maintenance mode, try %d: %v", try, err)
		}
		if resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("in maintenance mode: %s", resp.Status)
		}
		resp.Body.Close()
	}
}
