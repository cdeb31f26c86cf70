package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/engramd/engramd/agent/api"
)

// do sends one request without a network.
func do(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "127.0.0.1:9090"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// problem decodes an answer that must be a problem document.
func problem(t *testing.T, w *httptest.ResponseRecorder) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Fatalf("no problem document: %v, %s", err, w.Body)
	}
	if p.Status != w.Code || p.Type == "" || p.Title == "" {
		t.Errorf("status %d, problem %+v", w.Code, p)
	}
	return p
}

func TestRequestsReachTheBackend(t *testing.T) {
	const by = `"by":"somebody on 192.0.2.1:1234"`
	tests := map[string]struct {
		method, target, body string
		call                 string // of the backend
		answer               string // a part of it
	}{
		"healthy":          {"GET", "/-/healthy", "", "", "engramd is healthy"},
		"health":           {"GET", "/health", "", "", "engramd is healthy"},
		"ready":            {"GET", "/-/ready", "", "readynull", "engramd is ready"},
		"reload":           {"POST", "/-/reload", "", "reloadnull", `"changed": true`},
		"status":           {"GET", "/engramd/v1/status", "", "statusnull", `"state": "ok"`},
		"diagnose":         {"GET", "/engramd/v1/diagnose?target=engram", "", `diagnose[{"Target":"engram","Since":"0001-01-01T00:00:00Z"}]`, `"summary": "lock contention"`},
		"plan":             {"GET", "/engramd/v1/plan?target=engram", "", `plan["engram"]`, `"to": "unlimited"`},
		"decisions":        {"GET", "/engramd/v1/decisions?target=e&policy=cpu&resource=memory&limit=7&since=2026-11-21T12:00:00Z", "", `decisions[{"Target":"e","Policy":"cpu","Resource":"memory","Since":"2026-11-21T12:00:00Z","Limit":7}]`, `"id": "d1"`},
		"decisions of all": {"GET", "/engramd/v1/decisions", "", `decisions[{"Target":"","Policy":"","Resource":"","Since":"0001-01-01T00:00:00Z","Limit":50}]`, ""},
		"explain":          {"GET", "/engramd/v1/decisions/d1", "", `explain["d1"]`, `"id": "d1"`},
		"explain action":   {"GET", "/engramd/v1/actions/a1", "", `explain["a1"]`, ""},
		"actions":          {"GET", "/engramd/v1/actions?open=true", "", `actions[{"Target":"","Resource":"","Open":true,"Since":"0001-01-01T00:00:00Z","Limit":50}]`, `"id": "a1"`},
		"approve":          {"POST", "/engramd/v1/actions/a1/approve", `{"plan_hash":"h","by":"anna"}`, `approve["a1",{"by":"anna","plan_hash":"h"}]`, `"state": "waiting"`},
		"approve, no body": {"POST", "/engramd/v1/actions/a1/approve", "", `approve["a1",{` + by + `}]`, ""},
		"reject":           {"POST", "/engramd/v1/actions/a1/reject", `{"reason":"no"}`, `reject["a1",{` + by + `,"reason":"no"}]`, ""},
		"cancel":           {"POST", "/engramd/v1/actions/a1/cancel", "", `cancel["a1",{` + by + `}]`, ""},
		"pause":            {"POST", "/engramd/v1/pause", `{"target":"e","for":"1d12h","reason":"r"}`, `pause[{` + by + `,"target":"e","for":"1d12h","reason":"r"}]`, `"target": "e"`},
		"resume":           {"POST", "/engramd/v1/resume", "", `resume[{` + by + `}]`, `"done": true`},
		"freeze":           {"POST", "/engramd/v1/freeze", `{"target":"e","resource":"cpu"}`, `freeze[{` + by + `,"target":"e","resource":"cpu"}]`, ""},
		"unfreeze":         {"POST", "/engramd/v1/unfreeze", `{"target":"e"}`, `unfreeze[{` + by + `,"target":"e"}]`, ""},
		"release":          {"POST", "/engramd/v1/release", `{"all":true}`, `release[{` + by + `,"all":true}]`, `"done": true`},
		"metrics":          {"GET", "/metrics", "", "", "metrics /metrics"},
		"query":            {"POST", "/api/v1/query", "", "", "prometheus /api/v1/query"},
		"labels":           {"GET", "/api/v1/label/job/values", "", "", "prometheus /api/v1/label/job/values"},
		"console":          {"GET", "/", "", "", "console /"},
		"console's script": {"GET", "/app.js", "", "", "console /app.js"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := &fake{}
			w := do(server(t, b, api.Config{}).Handler(), test.method, test.target, test.body)
			if w.Code != http.StatusOK || b.call != test.call || !strings.Contains(w.Body.String(), test.answer) {
				t.Errorf("%d, called %s, answered %s", w.Code, b.call, w.Body)
			}
		})
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	long := strings.Repeat("x", 1001)
	tests := map[string]struct {
		method, target, body string
		headers              []string
		status               int
		says                 string
	}{
		"no such path":        {"GET", "/engramd/v1/nothing", "", nil, 404, "GET /engramd/v1/nothing"},
		"wrong method":        {"GET", "/engramd/v1/pause", "", nil, 405, "takes POST"},
		"wrong method, reads": {"DELETE", "/engramd/v1/status", "", nil, 405, "takes GET, HEAD"},
		"reload by GET":       {"GET", "/-/reload", "", nil, 405, "takes POST"},
		"unknown parameter":   {"GET", "/engramd/v1/actions?targets=e", "", nil, 422, "targets"},
		"diagnose, limit":     {"GET", "/engramd/v1/diagnose?limit=5", "", nil, 422, "there are [target since]"},
		"diagnose, bad since": {"GET", "/engramd/v1/diagnose?since=soon", "", nil, 422, "want how long ago"},
		"twice":               {"GET", "/engramd/v1/plan?target=a&target=b", "", nil, 422, "2 times"},
		"bad limit":           {"GET", "/engramd/v1/actions?limit=0", "", nil, 422, "1 to 1000"},
		"bad since":           {"GET", "/engramd/v1/decisions?since=yesterday", "", nil, 422, "2h or 7d"},
		"bad open":            {"GET", "/engramd/v1/actions?open=maybe", "", nil, 422, "true or false"},
		"bad escape":          {"GET", "/engramd/v1/actions?a=%zz", "", nil, 422, "query"},
		"unknown key":         {"POST", "/engramd/v1/pause", `{"targets":"e"}`, nil, 422, "targets"},
		"not JSON":            {"POST", "/engramd/v1/pause", `target=e`, nil, 422, "body"},
		"two values":          {"POST", "/engramd/v1/pause", `{} {}`, nil, 422, "more than one"},
		"bad duration":        {"POST", "/engramd/v1/pause", `{"for":"soon"}`, nil, 422, "soon"},
		"for ever and a day":  {"POST", "/engramd/v1/pause", `{"for":"11y"}`, nil, 422, "ten years"},
		"control character":   {"POST", "/engramd/v1/pause", `{"reason":"a\u001b[2Jb"}`, nil, 422, "control"},
		"long reason":         {"POST", "/engramd/v1/pause", `{"reason":"` + long + `"}`, nil, 422, "longer"},
		"long name":           {"POST", "/engramd/v1/pause", `{"by":"` + long + `"}`, nil, 422, "longer"},
		"no target":           {"POST", "/engramd/v1/freeze", `{}`, nil, 422, "target is missing"},
		"no target to thaw":   {"POST", "/engramd/v1/unfreeze", ``, nil, 422, "target is missing"},
		"release what":        {"POST", "/engramd/v1/release", `{}`, nil, 422, "one target"},
		"release both":        {"POST", "/engramd/v1/release", `{"all":true,"target":"e"}`, nil, 422, "one target"},
		"large body":          {"POST", "/engramd/v1/pause", `{"reason":"` + strings.Repeat("x", 70<<10) + `"}`, nil, 413, "larger than"},
		"a form":              {"POST", "/engramd/v1/pause", `a=b`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "Content-Type: application/json"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := &fake{}
			w := do(server(t, b, api.Config{}).Handler(), test.method, test.target, test.body, test.headers...)
			p := problem(t, w)
			if w.Code != test.status || !strings.Contains(p.Error(), test.says) || b.call != "" {
				t.Errorf("%d, called %q: %s", w.Code, b.call, p.Error())
			}
		})
	}
}

func TestErrorsOfTheBackend(t *testing.T) {
	tests := map[string]struct {
		err    error
		status int
		says   string
	}{
		"a problem": {api.Conflict("the plan has changed").WithRemedy("look again"), 409, "the plan has changed: look again"},
		"faults":    {api.Invalid("agent.yaml is refused").WithFaults("agent.yaml:3:1: unknown key"), 422, "agent.yaml:3:1"},
		"any other": {errBroken, 500, "no space left"},
	}
	for name, test := range tests {
		w := do(server(t, &fake{err: test.err}, api.Config{}).Handler(), "POST", "/-/reload", "")
		if p := problem(t, w); w.Code != test.status || !strings.Contains(p.Error(), test.says) {
			t.Errorf("%s: %d, %s", name, w.Code, p.Error())
		}
	}
	w := do(server(t, &fake{err: errBroken}, api.Config{}).Handler(), "GET", "/-/ready", "")
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("not ready is %d", w.Code)
	}
	w = do(server(t, &fake{}, api.Config{}).Handler(), "GET", "/engramd/v1/decisions/panic", "")
	if p := problem(t, w); w.Code != 500 || strings.Contains(p.Detail, "oh no") {
		t.Errorf("a panic is %d, %s", w.Code, p.Detail)
	}
}

// A web page that a person opens can send requests to loopback.
func TestWebPagesAreKeptAway(t *testing.T) {
	const pause = "/engramd/v1/pause"
	tests := map[string]struct {
		method, target string
		headers        []string
		status         int
	}{
		"curl":                       {"POST", pause, nil, 200},
		"our console":                {"POST", pause, []string{"Origin", "http://127.0.0.1:9090", "Sec-Fetch-Site", "same-origin"}, 200},
		"another page":               {"POST", pause, []string{"Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		"another page, old browser":  {"POST", pause, []string{"Origin", "http://evil.example"}, 403},
		"another port of ours":       {"POST", pause, []string{"Origin", "http://127.0.0.1:3000", "Sec-Fetch-Site", "same-site"}, 403},
		"another page, reads":        {"GET", "/api/v1/query", []string{"Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		"a link to the console":      {"GET", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 200},
		"our console, reads":         {"GET", "/engramd/v1/status", []string{"Origin", "http://127.0.0.1:9090"}, 200},
		"a sandboxed frame":          {"POST", pause, []string{"Origin", "null"}, 403},
		"rebound name":               {"POST", pause, []string{"Host", "evil.example:9090", "Origin", "http://evil.example:9090", "Sec-Fetch-Site", "same-origin"}, 421},
		"rebound name, reads":        {"GET", "/engramd/v1/status", []string{"Host", "evil.example"}, 421},
		"rebound name, metrics":      {"GET", "/metrics", []string{"Host", "evil.example"}, 421},
		"rebound name, query":        {"GET", "/api/v1/query", []string{"Host", "evil.example"}, 421},
		"localhost":                  {"POST", pause, []string{"Host", "localhost:9090"}, 200},
		"Localhost.":                 {"POST", pause, []string{"Host", "LOCALHOST."}, 200},
		"IPv6":                       {"POST", pause, []string{"Host", "[::1]:9090"}, 200},
		"an address":                 {"POST", pause, []string{"Host", "10.1.2.3"}, 200},
		"a configured name":          {"POST", pause, []string{"Host", "engram.example:9090"}, 200},
		"no name at all":             {"POST", pause, []string{"Host", ""}, 421},
		"a name that begins like it": {"POST", pause, []string{"Host", "localhost.evil.example"}, 421},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := &fake{}
			w := do(server(t, b, api.Config{Hosts: []string{"engram.example"}}).Handler(), test.method, test.target, "", test.headers...)
			if w.Code != test.status || (test.status != 200 && b.call != "") {
				t.Errorf("%d, called %q: %s", w.Code, b.call, w.Body)
			}
		})
	}
}

func TestProbesChangeNothing(t *testing.T) {
	b := &fake{}
	h := server(t, b, api.Config{}).Probes(says("metrics"))
	for target, status := range map[string]int{"/health": 200, "/-/healthy": 200, "/-/ready": 200, "/metrics": 200, "/-/reload": 404, "/engramd/v1/status": 404} {
		if w := do(h, "GET", target, "", "Host", "anything.example"); w.Code != status {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if w := do(h, "POST", "/-/reload", ""); w.Code == 200 {
		t.Error("a probe could reload")
	}
}
