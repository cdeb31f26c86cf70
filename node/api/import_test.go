package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node/api"
	"github.com/google/go-cmp/cmp"
)

const importPath = "/api/v1/memories/import"

// results reads the lines of an import's answer.
func results(t *testing.T, body string) []api.ImportResult {
	t.Helper()
	var out []api.ImportResult
	for line := range strings.Lines(body) {
		var r api.ImportResult
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		out = append(out, r)
	}
	return out
}

// short says what became of a line in a few words.
func short(r api.ImportResult) string {
	switch {
	case r.Problem != nil:
		field := ""
		for _, f := range r.Problem.Fields {
			field = " " + f.Field
		}
		return fmt.Sprintf("%d %s%s", r.Line, strings.TrimPrefix(r.Problem.Type, "urn:engramd:problem:"), field)
	case r.Done:
		return fmt.Sprintf("done %d: %+v", r.Through, *r.ImportCounts)
	case r.Through > 0:
		return fmt.Sprintf("through %d", r.Through)
	case r.Linked:
		return fmt.Sprintf("%d linked", r.Line)
	case r.Created:
		return fmt.Sprintf("%d created %s", r.Line, r.ID)
	}
	return fmt.Sprintf("%d same %s", r.Line, r.ID)
}

func shorts(t *testing.T, body string) []string {
	t.Helper()
	var out []string
	for _, r := range results(t, body) {
		out = append(out, short(r))
	}
	return out
}

const mixedLines = `{"id":"a","content":"A"}

{"id":"b","content":"B","vector":[1,2]}
{"from":"a","to":"b","weight":0.5}
{"from":"a","to":"nobody"}
{"from":"a","to":"a"}
{"id":"a","content":"A"}
{"id":"a","content":"other"}
{"id":"c","content":"C","vector":[1,2,3]}
{"id":"d","content":"D","colour":"red"}
{"id":"e","content":
{"id":"f","content":"F","from":"a"}
{"from":"a","to":"b","weight":1.5}
{"id":"g","content":"G","id":"h"}
{"id":"i","content":"\ud800"}
{"weight":0.5}
{"id":"z","content":"Z","space":"other"}
{"id":"k","content":"K"}`

func TestImportTellsOfEveryLine(t *testing.T) {
	w := begin(t, api.Options{})
	a := w.must(http.StatusOK, "POST", importPath, mixedLines, "Content-Type", "application/x-ndjson")
	want := []string{
		"1 created a", "3 created b", "4 linked", "5 no-memory", "6 invalid to", "7 same a", "8 conflict", "9 invalid vector", "10 invalid colour",
		"11 malformed", "12 invalid from", "13 invalid weight", "14 malformed", "15 malformed", "16 invalid from", "17 invalid space", "18 created k",
		"done 18: {Memories:3 Same:1 Edges:1 Failed:12}",
	}
	if diff := cmp.Diff(want, shorts(t, a.body)); diff != "" {
		t.Error(diff)
	}
	a = w.must(http.StatusOK, "POST", importPath+"?results=failed&from=101", `{"id":"a","content":"A"}`+"\nnot json\n", "Content-Type", "application/x-ndjson")
	want = []string{"102 malformed", "through 102", "done 102: {Memories:0 Same:1 Edges:0 Failed:1}"}
	if diff := cmp.Diff(want, shorts(t, a.body)); diff != "" {
		t.Error(diff)
	}
}

func TestStrictImportEndsAtTheFirstBadLine(t *testing.T) {
	w := begin(t, api.Options{})
	a := w.must(http.StatusOK, "POST", importPath+"?strict=true", "{\"id\":\"a\",\"content\":\"A\"}\nnot json\n{\"id\":\"b\",\"content\":\"B\"}\n", "Content-Type", "application/x-ndjson")
	got := shorts(t, a.body)
	if diff := cmp.Diff([]string{"1 created a", "2 malformed", "2 malformed"}, got); diff != "" {
		t.Error(diff)
	}
	w.must(http.StatusNotFound, "GET", "/api/v1/memories/b", "")
}

func TestImportAnswersWhileLinesCome(t *testing.T) {
	w := begin(t, api.Options{})
	body, lines := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), "POST", w.url+importPath, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	go fmt.Fprintln(lines, `{"id":"a","content":"A"}`)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answers := bufio.NewReader(resp.Body)
	for i, id := range []string{"a", "b", "c"} {
		if i > 0 {
			fmt.Fprintf(lines, `{"id":%q,"content":"x"}`+"\n", id)
		}
		line, err := answers.ReadString('\n')
		if err != nil || !strings.Contains(line, `"created":true`) {
			t.Fatal(line, err)
		}
		w.must(http.StatusOK, "GET", "/api/v1/memories/"+id, "")
	}
	lines.Close()
	rest, err := io.ReadAll(answers)
	if err != nil || !strings.Contains(string(rest), `"done":true`) {
		t.Error(string(rest), err)
	}
}

func TestImportOfABodyThatEndsTooEarly(t *testing.T) {
	w := begin(t, api.Options{})
	body, lines := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), "POST", w.url+importPath, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	go func() {
		fmt.Fprint(lines, `{"id":"a","content":"A"}`+"\n"+`{"id":"b","cont`)
		lines.CloseWithError(io.ErrUnexpectedEOF)
	}()
	if resp, err := http.DefaultClient.Do(r); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	deadline := time.Now().Add(10 * time.Second)
	for w.ask("GET", "/api/v1/memories/a", "").status != http.StatusOK {
		if time.Now().After(deadline) {
			t.Fatal("the whole line was not imported")
		}
	}
	w.must(http.StatusNotFound, "GET", "/api/v1/memories/b", "")
}

func TestImportRefusesBeforeItBegins(t *testing.T) {
	w := begin(t, api.Options{})
	w.must(http.StatusNotFound, "POST", importPath+"?space=none", "{}", "Content-Type", "application/x-ndjson")
	w.must(http.StatusUnsupportedMediaType, "POST", importPath, "{}", "Content-Type", "text/csv")
	w.must(http.StatusBadRequest, "POST", importPath+"?form=3", "{}", "Content-Type", "application/x-ndjson")
	if _, err := w.node.EnableMaintenance("x", time.Minute); err != nil {
		t.Fatal(err)
	}
	w.must(http.StatusServiceUnavailable, "POST", importPath, "{}", "Content-Type", "application/x-ndjson")
}

func TestExportImportExportIsTheSame(t *testing.T) {
	w := begin(t, api.Options{})
	var lines strings.Builder
	for i := range 500 {
		fmt.Fprintf(&lines, `{"id":"m%d","type":"semantic","content":"c %d <é> \u0001","tags":["t%d"],"metadata":{"b":%d.50,"a":"\u00e9"},"confidence":0.%d,`+
			`"created_at":"2026-01-02T03:04:05.%03dZ","expires_at":"2999-01-01T00:00:00Z","access":{"activation":0.%d,"count":%d,"last_at":"2026-05-06T07:08:09.%03dZ"}`,
			i, i, i%3, i, i+1, i, i+1, i, i)
		if i%2 == 0 {
			fmt.Fprintf(&lines, `,"vector":[%d,0.1,-1e-9]`, i)
		}
		lines.WriteString("}\n")
	}
	for i := range 500 {
		for j := range 5 {
			fmt.Fprintf(&lines, `{"from":"m%d","to":"m%d","weight":0.%d,"kind":"%s"}`+"\n", i, (i+7*j+1)%500, 1+(i*j)%97, []string{"excitatory", "inhibitory"}[j%2])
		}
	}
	w.must(http.StatusCreated, "POST", "/api/v1/spaces", `{"name":"two"}`)
	a := w.must(http.StatusOK, "POST", importPath+"?results=failed", lines.String(), "Content-Type", "application/x-ndjson")
	if rs := shorts(t, a.body); !strings.HasPrefix(rs[len(rs)-1], "done 3000: {Memories:500 Same:0 Edges:2500 Failed:0}") {
		t.Fatal(rs)
	}
	first := w.must(http.StatusOK, "GET", "/api/v1/memories/export", "").body
	a = w.must(http.StatusOK, "POST", importPath+"?results=failed&space=two", first, "Content-Type", "application/x-ndjson")
	if rs := shorts(t, a.body); !strings.HasPrefix(rs[len(rs)-1], "done 3000: {Memories:500 Same:0 Edges:2500 Failed:0}") {
		t.Fatal(rs)
	}
	second := w.must(http.StatusOK, "GET", "/api/v1/memories/export?space=two", "").body
	if diff := cmp.Diff(strings.Split(first, "\n"), strings.Split(second, "\n")); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(first, "\n"); n != 3000 {
		t.Errorf("%d lines", n)
	}
	// Once more into the first: everything is there already.
	a = w.must(http.StatusOK, "POST", importPath+"?results=failed", first, "Content-Type", "application/x-ndjson")
	if rs := shorts(t, a.body); rs[len(rs)-1] != "done 3000: {Memories:0 Same:500 Edges:2500 Failed:0}" {
		t.Error(rs)
	}
	if got := w.must(http.StatusOK, "GET", "/api/v1/memories/export", "").body; got != first {
		t.Error("importing what is there already changed something")
	}
}
