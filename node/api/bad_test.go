package api_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/record"
)

// wire writes numbers as base64.
func wire(v ...float32) string {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}

func TestBadMemories(t *testing.T) {
	w := documented(t)
	w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"id":"there","content":"A","vector":[1,2]}`)
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	tests := map[string]struct {
		body   string
		status int
		field  string
	}{
		"other content":        {`{"id":"there","content":"B"}`, 409, ""},
		"empty":                {``, 415, ""},
		"nothing in it":        {`{}`, 400, "content"},
		"not JSON":             {`content`, 400, ""},
		"truncated":            {`{"content":"x`, 400, ""},
		"trailing garbage":     {`{"content":"x"} x`, 400, ""},
		"two values":           {`{"content":"x"}{"content":"y"}`, 400, ""},
		"an array":             {`[{"content":"x"}]`, 400, "body"},
		"unknown field":        {`{"content":"x","colour":"red"}`, 400, "colour"},
		"wrong case":           {`{"Content":"x"}`, 400, "Content"},
		"duplicate field":      {`{"content":"x","content":"y"}`, 400, ""},
		"duplicate in depth":   {`{"content":"x","metadata":{"a":1,"a":2}}`, 400, ""},
		"number as text":       {`{"content":1}`, 400, "content"},
		"not UTF-8":            {"{\"content\":\"\xff\"}", 400, ""},
		"half a surrogate":     {`{"content":"\ud800"}`, 400, ""},
		"type":                 {`{"content":"x","type":"vague"}`, 400, "type"},
		"confidence":           {`{"content":"x","confidence":1.5}`, 400, "confidence"},
		"confidence 1e999":     {`{"content":"x","confidence":1e999}`, 400, "confidence"},
		"activation":           {`{"content":"x","access":{"activation":-1,"count":0}}`, 400, "activation"},
		"count":                {`{"content":"x","access":{"activation":1,"count":-1}}`, 400, "access/count"},
		"time":                 {`{"content":"x","created_at":"yesterday"}`, 400, "created_at"},
		"metadata no object":   {`{"content":"x","metadata":[1]}`, 400, "metadata"},
		"deep metadata":        {`{"content":"x","metadata":{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}}`, 400, "metadata"},
		"very deep":            {`{"content":"x","metadata":` + strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000) + `}`, 400, ""},
		"large metadata":       {`{"content":"x","metadata":{"a":"` + strings.Repeat("x", record.MaxMetadataBytes) + `"}}`, 400, "metadata"},
		"id with a slash":      {`{"content":"x","id":"a/b"}`, 400, "id"},
		"id of dots":           {`{"content":"x","id":".."}`, 400, "id"},
		"id of the API":        {`{"content":"x","id":"recall"}`, 400, "id"},
		"long id":              {`{"content":"x","id":"` + strings.Repeat("i", 129) + `"}`, 400, "id"},
		"many tags":            {`{"content":"x","tags":["` + strings.Repeat(`t","`, 64) + `t"]}`, 400, "tags"},
		"empty tag":            {`{"content":"x","tags":[""]}`, 400, "tags"},
		"long content":         {`{"content":"` + strings.Repeat("x", record.MaxContentBytes+1) + `"}`, 400, "content"},
		"huge":                 {`{"content":"` + strings.Repeat("x", 3<<20) + `"}`, 413, ""},
		"unknown space":        {`{"content":"x","space":"none"}`, 404, ""},
		"dimension":            {`{"content":"x","vector":[1,2,3]}`, 400, "vector"},
		"vector of text":       {`{"content":"x","vector":["1","2"]}`, 400, "vector"},
		"vector of vectors":    {`{"content":"x","vector":[[1],[2]]}`, 400, "vector"},
		"vector with null":     {`{"content":"x","vector":[1,null]}`, 400, "vector"},
		"vector NaN":           {`{"content":"x","vector":[1,NaN]}`, 400, ""},
		"vector too large":     {`{"content":"x","vector":[1,1e39]}`, 400, "vector"},
		"vector object":        {`{"content":"x","vector":{"0":1}}`, 400, "vector"},
		"base64 NaN":           {`{"content":"x","vector":"` + wire(1, nan) + `"}`, 400, "vector"},
		"base64 Inf":           {`{"content":"x","vector":"` + wire(inf, 1) + `"}`, 400, "vector"},
		"base64 cut":           {`{"content":"x","vector":"` + wire(1, 2)[:10] + `"}`, 400, "vector"},
		"base64 odd":           {`{"content":"x","vector":"AAAA"}`, 400, "vector"},
		"base64 no such thing": {`{"content":"x","vector":"!!!!"}`, 400, "vector"},
		"base64 with spaces":   {`{"content":"x","vector":"AACA Pw=="}`, 400, "vector"},
		"base64 dimension":     {`{"content":"x","vector":"` + wire(1, 2, 3) + `"}`, 400, "vector"},
		"very long vector":     {`{"content":"x","vector":[` + strings.Repeat("1,", record.MaxDimension) + `1]}`, 400, "vector"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w.t, w.doc.t = t, t
			header := []string(nil)
			a := w.must(test.status, "POST", "/api/v1/memories/remember", test.body, header...)
			p := read[api.Problem](t, a)
			field := ""
			if len(p.Fields) > 0 {
				field = p.Fields[0].Field
			}
			if field != test.field {
				t.Errorf("field %q, want %q: %s", field, test.field, a.body)
			}
			if len(a.body) > 1000 {
				t.Errorf("a problem of %d bytes", len(a.body))
			}
		})
	}
	w.t, w.doc.t = t, t
	if s := read[api.Storage](t, w.must(http.StatusOK, "GET", "/api/v1/admin/storage/stats", "")); s.Distribution.Total != 1 {
		t.Errorf("something was remembered: %+v", s.Distribution)
	}
}

func TestVectorForms(t *testing.T) {
	w := begin(t, api.Options{})
	for i, form := range []string{`[1,2.5,-3e-2]`, "[ 1 ,\n2.5\t, -0.03 ]", `"` + wire(1, 2.5, -0.03) + `"`, `"` + strings.ReplaceAll(wire(1, 2.5, -0.03), "/", `\/`) + `"`} {
		id := fmt.Sprint("v", i)
		w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"content":"x","id":"`+id+`","vector":`+form+`}`)
		if got := w.must(http.StatusOK, "GET", "/api/v1/memories/"+id, "").body; !strings.Contains(got, `"vector":[1,2.5,-0.03]`) {
			t.Errorf("%s: %s", form, got)
		}
	}
	for _, none := range []string{`null`, `[]`, `""`} {
		w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"content":"x","vector":`+none+`}`)
	}
}

func TestBadRequests(t *testing.T) {
	w := begin(t, api.Options{})
	tests := []struct {
		method, path, body string
		header             []string
		status             int
	}{
		{"POST", "/api/v1/memories/remember", `{"content":"x"}`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{"POST", "/api/v1/memories/remember", `{"content":"x"}`, []string{"Content-Type", "application/json; charset=latin1"}, 415},
		{"POST", "/api/v1/memories/remember", `{"content":"x"}`, []string{"Content-Encoding", "gzip"}, 415},
		{"POST", "/api/v1/memories/remember", `{"content":"x"}`, []string{"Content-Encoding", "identity"}, 201},
		{"POST", "/api/v1/memories/import", `{"content":"x"}`, []string{"Content-Type", "application/x-ndjson", "Content-Encoding", "gzip"}, 415},
		{"POST", "/api/v1/memories/remember", `{"content":"x"}`, []string{"Content-Type", "application/json; charset=UTF-8"}, 201},
		{"POST", "/api/v1/memories/remember", `{"content":"x"}`, []string{"Accept", "text/html"}, 406},
		{"POST", "/api/v1/memories/remember", `{"content":"x"}`, []string{"Accept", "text/html, */*;q=0.1"}, 201},
		{"POST", "/api/v1/memories/remember", `{"content":"x","expires_at":"9999-12-31T23:59:59-12:00"}`, nil, 400},
		{"POST", "/api/v1/memories/remember", `{"content":"x","access":{"activation":1,"count":1,"last_at":"0000-01-01T00:00:00+12:00"}}`, nil, 400},
		{"POST", "/api/v1/memories/remember?Space=x", `{"content":"x"}`, nil, 400},
		{"POST", "/api/v1/memories/remember?space=..%2f..%2fetc", `{"content":"x"}`, nil, 404},
		{"PUT", "/api/v1/memories/remember", `{"content":"x"}`, nil, 405},
		{"GET", "/api/v1/memories/remember", "", nil, 405},
		{"GET", "/api/v1/nothing", "", nil, 404},
		{"GET", "/", "", nil, 404},
		{"GET", "/api/v1/memories/..", "", nil, 404},
		{"GET", "/api/v1//memories", "", nil, 404},
		{"GET", "/api/v1/memories/a/b", "", nil, 404},
		{"GET", "/api/v1/memories/%2e%2e%2fx", "", nil, 404},
		{"GET", "/api/v1/memories/%00", "", nil, 404},
		{"DELETE", "/api/v1/admin/storage/snapshots/%2e%2e", "", nil, 404},
		{"DELETE", "/api/v1/admin/storage/snapshots/..%2fcatalog.json", "", nil, 404},
		{"DELETE", "/api/v1/admin/storage/snapshots/%2fetc%2fpasswd", "", nil, 404},
		{"DELETE", "/api/v1/admin/storage/snapshots/passwd", "", nil, 400},
		{"DELETE", "/api/v1/admin/storage/snapshots/default%2fpasswd", "", nil, 400},
		{"DELETE", "/api/v1/spaces/%2e%2e", "", nil, 404},
		{"GET", "/api/v1/memories/" + strings.Repeat("a", 10_000), "", nil, 404},
		{"GET", "/health?verbose=1", "", nil, 400},
	}
	for _, test := range tests {
		w.must(test.status, test.method, test.path, test.body, test.header...)
	}
}

func TestTimeout(t *testing.T) {
	w := begin(t, api.Options{})
	w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"id":"a","content":"x"}`)
	a := w.must(http.StatusServiceUnavailable, "GET", "/api/v1/memories?tags=none&timeout=1ns", "")
	if !strings.Contains(a.body, "problem:timeout") {
		t.Error(a.body)
	}
}

// TestBodiesAreBounded holds requests at the end of their bodies until the bound on all of them together is met.
func TestBodiesAreBounded(t *testing.T) {
	w := begin(t, api.Options{MaxBodyBytes: 1 << 20})
	half := strings.Repeat("x", 300<<10)
	var bodies []*io.PipeWriter
	answers := make(chan int, 8)
	for range 8 {
		body, to := io.Pipe()
		bodies = append(bodies, to)
		go func() {
			resp, err := http.Post(w.url+"/api/v1/memories", "application/json", body)
			if err != nil {
				answers <- 0
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			answers <- resp.StatusCode
		}()
		go func() { _, _ = io.Copy(to, bytes.NewReader([]byte(`{"vectors":"`+half))) }()
	}
	for range 6 { // two fit: 300 KiB take 512
		if got := <-answers; got != http.StatusServiceUnavailable && got != 0 {
			t.Errorf("status %d", got)
		}
	}
	for _, b := range bodies {
		b.CloseWithError(io.ErrUnexpectedEOF)
	}
	for range 2 {
		<-answers
	}
	w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"content":"`+strings.Repeat("x", 90<<10)+`"}`)
}

// TestBodiesOfUnknownLength: what no header tells is bounded while it is read.
func TestBodiesOfUnknownLength(t *testing.T) {
	w := begin(t, api.Options{})
	post := func(body string) answer {
		r, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/api/v1/memories/remember", io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		return w.send(r)
	}
	if a := post(`{"content":"` + strings.Repeat("x", 50<<10) + `"}`); a.status != http.StatusCreated {
		t.Error(a.status, a.body)
	}
	// All of the body but its end is allowed; the server may close before all was sent, which is an error here.
	if a := post(`{"content":"` + strings.Repeat("x", 2<<20) + `"}`); a.status != http.StatusRequestEntityTooLarge {
		t.Error(a.status, a.body)
	}
}
