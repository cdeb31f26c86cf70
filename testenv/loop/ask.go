package loop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
)

// Ready tells whether /-/ready answers with 200.
func (a *Agent) Ready() bool {
	status, _, err := a.get("/-/ready")
	return err == nil && status == http.StatusOK
}

// Status asks how the agent and its targets are.
func (a *Agent) Status(t testing.TB) Status {
	t.Helper()
	var s Status
	a.Ask(t, &s, "status")
	return s
}

// Target asks how one target is.
func (a *Agent) Target(t testing.TB, name string) Target {
	t.Helper()
	for _, one := range a.Status(t).Targets {
		if one.Name == name {
			return one
		}
	}
	t.Fatalf("loop: status shows no target %s", name)
	return Target{}
}

// Decisions lists what was decided, newest first.
func (a *Agent) Decisions(t testing.TB) []Decision {
	t.Helper()
	var all []Decision
	a.Ask(t, &all, "decisions", "--limit", "1000")
	return all
}

// Plans asks what would be done now.
func (a *Agent) Plans(t testing.TB) []Plan {
	t.Helper()
	var all []Plan
	a.Ask(t, &all, "plan")
	return all
}

// Explain asks about a decision or an action.
func (a *Agent) Explain(t testing.TB, id string) Explanation {
	t.Helper()
	var x Explanation
	a.Ask(t, &x, "explain", id)
	return x
}

// Actions lists actions, newest first, from the API.
func (a *Agent) Actions(t testing.TB) []Action {
	t.Helper()
	var all []Action
	a.Get(t, "/engramd/v1/actions?limit=1000", &all)
	return all
}

// Samples returns the stored samples of the only series that a selector finds, of the last so long.
func (a *Agent) Samples(t testing.TB, selector string, last time.Duration) []Sample {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct {
				Values [][2]any `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	query := fmt.Sprintf("%s[%dms]", selector, last.Milliseconds())
	a.Get(t, "/api/v1/query?query="+url.QueryEscape(query), &answer)
	if n := len(answer.Data.Result); n != 1 {
		t.Fatalf("loop: %s finds %d series", query, n)
	}
	var samples []Sample
	for _, pair := range answer.Data.Result[0].Values {
		samples = append(samples, sampleOf(t, pair))
	}
	return samples
}

// Value evaluates an expression with one result at an instant; ok is false where there is none.
func (a *Agent) Value(t testing.TB, expr string, at time.Time) (value float64, ok bool) {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	a.Get(t, fmt.Sprintf("/api/v1/query?query=%s&time=%.3f", url.QueryEscape(expr), float64(at.UnixMilli())/1000), &answer)
	switch n := len(answer.Data.Result); n {
	case 0:
		return 0, false
	case 1:
		return sampleOf(t, answer.Data.Result[0].Value).Value, true
	default:
		t.Fatalf("loop: %s has %d results", expr, n)
		return 0, false
	}
}

func sampleOf(t testing.TB, pair [2]any) Sample {
	t.Helper()
	at, isNumber := pair[0].(float64)
	text, isText := pair[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	if !isNumber || !isText || err != nil {
		t.Fatalf("loop: no sample: %v", pair)
	}
	return Sample{time.UnixMilli(int64(at*1000 + 0.5)), value}
}

// Events reads events.jsonl, oldest first. A line that is being written is left out.
func (a *Agent) Events(t testing.TB) []Event {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(a.Dir, "events.jsonl"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("loop: %v", err)
	}
	var all []Event
	for line := range strings.Lines(string(content)) {
		if !strings.HasSuffix(line, "\n") {
			break
		}
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("loop: events.jsonl: %v: %s", err, line)
		}
		all = append(all, e)
	}
	return all
}

// Get reads a JSON answer of the API; the test fails if there is none.
func (a *Agent) Get(t testing.TB, path string, into any) {
	t.Helper()
	status, text, err := a.get(path)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d: %.1000s", status, text)
	}
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("loop: GET %s: %v", path, err)
	}
}

// get asks with a connection and a deadline of its own.
func (a *Agent) get(path string) (status int, text []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience(10*time.Second))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.Addr+path, nil)
	if err != nil {
		return 0, nil, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	text, err = io.ReadAll(io.LimitReader(answer.Body, 32<<20))
	return answer.StatusCode, text, err
}
