package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node/api"
	"github.com/google/go-cmp/cmp"
)

func TestPatch(t *testing.T) {
	w := documented(t)
	first := w.must(http.StatusCreated, "POST", "/api/v1/memories/remember",
		`{"id":"a","content":"A","tags":["x"],"metadata":{"keep":1,"drop":2,"deep":{"a":1,"b":2}},"vector":[1,2],"expires_at":"2999-01-01T00:00:00Z"}`)
	const at = "/api/v1/memories/a"
	a := w.must(http.StatusOK, "PATCH", at, `{"content":"B","type":"semantic","metadata":{"drop":null,"deep":{"b":null,"c":3},"new":[1]},"confidence":0.5}`,
		"Content-Type", "application/merge-patch+json", "If-Match", first.header.Get("ETag"))
	m := read[api.Memory](t, a)
	if diff := cmp.Diff(`{"keep":1,"deep":{"a":1,"c":3},"new":[1]}`, string(m.Metadata)); diff != "" {
		t.Error(diff)
	}
	if m.Content != "B" || m.Type != "semantic" || m.Confidence != 0.5 || len(m.Tags) != 1 || len(m.Vector) != 2 || m.ExpiresAt.IsZero() {
		t.Errorf("%+v", m)
	}
	if a.header.Get("ETag") != fmt.Sprintf("%q", fmt.Sprint(m.Version)) {
		t.Error(a.header.Get("ETag"))
	}
	w.must(http.StatusPreconditionFailed, "PATCH", at, `{"content":"C"}`, "If-Match", first.header.Get("ETag"))
	m = read[api.Memory](t, w.must(http.StatusOK, "PATCH", at, `{"vector":null,"tags":null,"metadata":null,"expires_at":null}`))
	if m.Vector != nil || m.Tags != nil || m.Metadata != nil || !m.ExpiresAt.IsZero() || m.Content != "B" {
		t.Errorf("%+v", m)
	}
	for _, body := range []string{
		`{"content":null}`, `{"colour":"red"}`, `{"confidence":2}`, `{"confidence":"high"}`, `{"vector":[1]}`, `{"vector":"!"}`, `{"metadata":[1]}`, `{"type":"x"}`, `{"tags":[1]}`,
		`{"expires_at":"soon"}`, `{} {}`, `{"content":"a","content":"b"}`, `[]`, `{"id":"b"}`,
	} {
		w.must(http.StatusBadRequest, "PATCH", at, body)
	}
	w.must(http.StatusBadRequest, "PATCH", at, `{"content":"C"}`, "If-Match", "W/\"3\"")
	w.must(http.StatusNotFound, "PATCH", "/api/v1/memories/b", `{"content":"C"}`)
	w.must(http.StatusNotFound, "PATCH", "/api/v1/memories/b", `{"metadata":{}}`)
	if got := read[api.Memory](t, w.must(http.StatusOK, "GET", at, "")); got.Content != "B" || got.Version != m.Version {
		t.Errorf("a refused patch changed something: %+v", got)
	}
}

func TestDelete(t *testing.T) {
	w := documented(t)
	a := w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"id":"a","content":"A"}`)
	w.must(http.StatusPreconditionFailed, "DELETE", "/api/v1/memories/a", "", "If-Match", `"999"`)
	w.must(http.StatusNoContent, "DELETE", "/api/v1/memories/a", "", "If-Match", a.header.Get("ETag"))
	w.must(http.StatusNotFound, "DELETE", "/api/v1/memories/a", "")
	w.must(http.StatusNotFound, "GET", "/api/v1/memories/a", "")
}

func TestListBatchAndDeleteWhere(t *testing.T) {
	w := documented(t)
	for i := range 7 {
		w.must(http.StatusCreated, "POST", "/api/v1/memories/remember",
			fmt.Sprintf(`{"id":"m%d","content":"c","tags":["t%d"],"vector":[%d,1],"created_at":"2026-01-0%dT00:00:00Z","confidence":0.%d}`, i, i%2, i, i+1, i))
	}
	ids := func(path string) string {
		var all []string
		for cursor := ""; ; {
			page := read[api.MemoryList](t, w.must(http.StatusOK, "GET", path+"&limit=2&cursor="+cursor, ""))
			for _, m := range page.Memories {
				all = append(all, m.ID)
			}
			if cursor = page.NextCursor; cursor == "" {
				return strings.Join(all, " ")
			}
		}
	}
	for query, want := range map[string]string{
		"":                      "m0 m1 m2 m3 m4 m5 m6",
		"&tags=t1":              "m1 m3 m5",
		"&tags=t1,t0":           "",
		"&tags=t1&tags=t1":      "m1 m3 m5",
		"&type=semantic":        "",
		"&min_confidence=0.5":   "m5 m6",
		"&tiers=cold":           "",
		"&tiers=hot&tiers=warm": "m0 m1 m2 m3 m4 m5 m6",
		"&created_after=2026-01-03T00:00:00Z&created_before=2026-01-05T00:00:00Z": "m2 m3",
	} {
		if got := ids("/api/v1/memories?vectors=none" + query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestListRefuses(t *testing.T) {
	w := documented(t)
	for _, query := range []string{
		"limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=99999999999", "tiers=tepid", "min_confidence=2", "min_confidence=NaN", "type=x", "created_after=yesterday", "vectors=all",
		"colour=red", "limit=1&limit=2", "%zz", "created_after=2027-01-01T00:00:00Z&created_before=2026-01-01T00:00:00Z", "timeout=0s", "timeout=x",
	} {
		w.must(http.StatusBadRequest, "GET", "/api/v1/memories?"+query, "")
	}
	w.must(http.StatusNotFound, "GET", "/api/v1/memories?space=none", "")
}

func TestBatchAndDeleteByFilter(t *testing.T) {
	w := documented(t)
	for i := range 5 {
		w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", fmt.Sprintf(`{"id":"m%d","content":"c","tags":["t%d"],"vector":[%d,1]}`, i, i%2, i))
	}
	b := read[api.Batch](t, w.must(http.StatusOK, "POST", "/api/v1/memories", `{"ids":["m3","none","m1"],"vectors":"base64"}`))
	if len(b.Memories) != 2 || b.Memories[0].ID != "m3" || b.Memories[0].Vector[0] != 3 || b.Absent[0] != "none" {
		t.Errorf("%+v", b)
	}
	w.must(http.StatusBadRequest, "POST", "/api/v1/memories", `{"ids":["`+strings.Repeat(`x","`, 1001)+`x"]}`)
	w.must(http.StatusBadRequest, "DELETE", "/api/v1/memories", "")
	w.must(http.StatusBadRequest, "DELETE", "/api/v1/memories?all=maybe", "")
	d := read[api.Deleted](t, w.must(http.StatusOK, "DELETE", "/api/v1/memories?tags=t0&limit=2", ""))
	if d.Deleted != 2 || !d.More {
		t.Errorf("%+v", d)
	}
	d = read[api.Deleted](t, w.must(http.StatusOK, "DELETE", "/api/v1/memories?all=true", ""))
	if d.Deleted != 3 || d.More {
		t.Errorf("%+v", d)
	}
}

func TestLinksAndSpread(t *testing.T) {
	w := documented(t)
	for _, id := range []string{"a", "b", "c"} {
		w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"id":"`+id+`","content":"x"}`)
	}
	const links = "/api/v1/links"
	w.must(http.StatusOK, "POST", links, `{"from":"a","to":"b","weight":0.5}`)
	l := read[api.Linked](t, w.must(http.StatusOK, "POST", links, `{"edges":[{"from":"b","to":"c"},{"from":"b","to":"none"},{"from":"c","to":"a","kind":"inhibitory","weight":0.25}]}`))
	if l.Done != 2 || len(l.Failed) != 1 || l.Failed[0].Index != 1 || l.Failed[0].Problem.Status != http.StatusNotFound {
		t.Errorf("%+v", l)
	}
	n := read[api.Neighbours](t, w.must(http.StatusOK, "GET", links+"?id=c", ""))
	if len(n.Out) != 1 || *n.Out[0].Weight != 0.25 || n.Out[0].Kind != "inhibitory" || len(n.In) != 1 || n.In[0].From != "b" {
		t.Errorf("%+v", n)
	}
	for _, body := range []string{
		`{}`, `{"from":"a","to":"b","edges":[{"from":"a","to":"b"}]}`, `{"from":"a","to":"a"}`, `{"from":"a","to":"b","weight":0}`, `{"from":"a","to":"b","weight":1.1}`,
		`{"from":"a","to":"b","weight":1e999}`, `{"from":"a","to":"b","kind":"x"}`, `{"from":"a"}`, `{"edges":[]}`,
	} {
		if a := w.ask("POST", links, body); a.status != http.StatusBadRequest && a.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	w.must(http.StatusNotFound, "POST", links, `{"from":"a","to":"none"}`)
	w.must(http.StatusBadRequest, "GET", links, "")
	post := w.must(http.StatusOK, "POST", "/api/v1/spread", `{"seeds":["a",{"id":"none","activation":0.5}],"hops":2}`)
	s := read[api.Spreading](t, post)
	if len(s.Hits) != 3 || s.Hits[0].ID != "a" || s.Hits[1].ID != "b" || cmp.Diff([]string{"a", "b", "c"}, s.Hits[2].Path) != "" || s.Absent[0] != "none" {
		t.Errorf("%+v", s)
	}
	if got := w.must(http.StatusOK, "GET", "/api/v1/spread?seed=a&seed=none&hops=2", ""); got.body != post.body {
		t.Errorf("GET %s\nPOST %s", got.body, post.body)
	}
	for _, query := range []string{"", "seed=", "seed=a&hops=11", "seed=a&decay=2", "seed=a&threshold=-1", "seed=a&fan_out=0", "seed=a&limit=10001"} {
		w.must(http.StatusBadRequest, "GET", "/api/v1/spread?"+query, "")
	}
	w.must(http.StatusNotFound, "GET", "/api/v1/spread?seed=none", "")
	w.must(http.StatusOK, "DELETE", links+"?from=a&to=b", "")
	w.must(http.StatusOK, "DELETE", links, `{"edges":[{"from":"b","to":"c"}]}`)
	if n := read[api.Neighbours](t, w.must(http.StatusOK, "GET", links+"?id=b", "")); len(n.Out)+len(n.In) != 0 {
		t.Errorf("%+v", n)
	}
}

func TestRecall(t *testing.T) {
	w := documented(t)
	for i, tag := range []string{"x", "y", "x"} {
		w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", fmt.Sprintf(`{"id":"m%d","content":"c","tags":[%q],"vector":[%d,1]}`, i, tag, i))
	}
	w.must(http.StatusOK, "POST", "/api/v1/links", `{"edges":[{"from":"m0","to":"m1"},{"from":"m1","to":"m2"}]}`)
	post := w.must(http.StatusOK, "POST", "/api/v1/memories/recall", `{"seeds":["m0"],"filter":{"tags":["x"]},"without_seeds":true,"learn":false,"vectors":"array"}`)
	r := read[api.Recollection](t, post)
	if len(r.Hits) != 1 || r.Hits[0].Memory.ID != "m2" || len(r.Hits[0].Path) != 3 || len(r.Hits[0].Memory.Vector) != 2 {
		t.Errorf("%+v", r)
	}
	r = read[api.Recollection](t, w.must(http.StatusOK, "GET", "/api/v1/memories/recall?seed=m0&tags=x&without_seeds=true&learn=false&vectors=array", ""))
	if len(r.Hits) != 1 || r.Hits[0].Memory.ID != "m2" {
		t.Errorf("%+v", r)
	}
	r = read[api.Recollection](t, w.must(http.StatusOK, "POST", "/api/v1/memories/recall", `{"vector":[2,1],"limit":1,"direct":true}`))
	if len(r.Hits) != 1 || r.Hits[0].Memory.ID != "m2" || r.Hits[0].Similarity == nil {
		t.Errorf("%+v", r)
	}
	r = read[api.Recollection](t, w.must(http.StatusOK, "GET", "/api/v1/memories/recall?limit=1&direct=true&vector=AAAAQAAAgD8%3D", ""))
	if len(r.Hits) != 1 || r.Hits[0].Memory.ID != "m2" {
		t.Errorf("%+v", r)
	}
	for _, body := range []string{`{}`, `{"vector":[1]}`, `{"vector":[1e999,1]}`, `{"seeds":["m0"],"metric":"x"}`, `{"seeds":["m0"],"limit":-1}`, `{"seeds":["m0"],"limit":1001}`, `{"seeds":[{"id":"m0","activation":2}]}`} {
		w.must(http.StatusBadRequest, "POST", "/api/v1/memories/recall", body)
	}
	deadline := time.Now().Add(10 * time.Second)
	for read[api.Memory](t, w.must(http.StatusOK, "GET", "/api/v1/memories/m2", "")).Access.Count == 0 {
		if time.Now().After(deadline) {
			t.Fatal("recall counted no access")
		}
	}
}

func TestSpaces(t *testing.T) {
	w := documented(t)
	w.must(http.StatusCreated, "POST", "/api/v1/spaces", `{"name":"work","dimension":2}`)
	w.must(http.StatusConflict, "POST", "/api/v1/spaces", `{"name":"work","dimension":3}`)
	w.must(http.StatusBadRequest, "POST", "/api/v1/spaces", `{"name":"../x"}`)
	w.must(http.StatusNotFound, "POST", "/api/v1/spaces", `{"name":"x","copy_of":"none"}`)
	w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"space":"work","id":"a","content":"A","vector":"AACAPwAAAEA="}`)
	w.must(http.StatusBadRequest, "POST", "/api/v1/memories/remember?space=default", `{"space":"work","id":"a","content":"A"}`)
	w.must(http.StatusNotFound, "GET", "/api/v1/memories/a", "")
	if m := read[api.Memory](t, w.must(http.StatusOK, "GET", "/api/v1/memories/a?space=work", "")); m.Vector[1] != 2 {
		t.Errorf("%+v", m)
	}
	w.must(http.StatusCreated, "POST", "/api/v1/spaces", `{"name":"copy","copy_of":"work"}`)
	w.must(http.StatusNoContent, "PUT", "/api/v1/spaces/now/alias", `{"space":"copy"}`)
	w.must(http.StatusOK, "GET", "/api/v1/memories/a?space=now", "")
	w.must(http.StatusNoContent, "PUT", "/api/v1/spaces/now/alias", `{"space":""}`)
	w.must(http.StatusNotFound, "PUT", "/api/v1/spaces/now/alias", `{"space":""}`)
	w.must(http.StatusNoContent, "DELETE", "/api/v1/spaces/copy", "")
	w.must(http.StatusNotFound, "DELETE", "/api/v1/spaces/copy", "")
	all := read[api.Spaces](t, w.must(http.StatusOK, "GET", "/api/v1/spaces", ""))
	if len(all.Spaces) != 2 || all.Spaces[1].Name != "work" || all.Spaces[1].Memories != 1 || all.Spaces[1].Dimension != 2 {
		t.Errorf("%+v", all)
	}
	w.must(http.StatusOK, "GET", "/api/v1/spaces/work", "")
	w.must(http.StatusNotFound, "GET", "/api/v1/spaces/none", "")
}

func TestSnapshots(t *testing.T) {
	w := documented(t)
	const at = "/api/v1/admin/storage/snapshots"
	w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"id":"a","content":"A"}`)
	taken := read[struct{ Name string }](t, w.must(http.StatusCreated, "POST", at, ""))
	w.must(http.StatusNoContent, "DELETE", "/api/v1/memories/a", "")
	w.must(http.StatusOK, "POST", at+"/verify", `{"name":"`+taken.Name+`"}`)
	w.must(http.StatusOK, "POST", at+"/restore", `{"name":"`+taken.Name+`"}`)
	w.must(http.StatusOK, "GET", "/api/v1/memories/a", "")
	if all := read[api.Snapshots](t, w.must(http.StatusOK, "GET", at+"?space=default", "")); len(all.Snapshots) != 1 || all.Snapshots[0].Memories != 1 {
		t.Errorf("%+v", all)
	}
	bucket := "file://" + t.TempDir()
	w.must(http.StatusOK, "POST", at+"/archive", `{"bucket":"`+bucket+`"}`)
	w.must(http.StatusNoContent, "DELETE", at+"/"+taken.Name, "")
	w.must(http.StatusNotFound, "DELETE", at+"/"+taken.Name, "")
	w.must(http.StatusOK, "POST", at+"/fetch", `{"bucket":"`+bucket+`","name":"`+taken.Name+`"}`)
	w.must(http.StatusOK, "GET", at+"?bucket="+bucket, "")
	w.must(http.StatusOK, "POST", at+"/prune", `{"keep_last":1}`)
	w.must(http.StatusBadRequest, "POST", at+"/prune", `{"keep_last":-1}`)
	for _, name := range []string{"..", "../../etc", "%2e%2e", "..%2f..%2fetc", "20261122T030000Z-..", "x\\u0000", "/etc/passwd", "20261122T030000Z-default/../x"} {
		w.must(http.StatusBadRequest, "POST", at+"/restore", `{"name":"`+name+`"}`)
		w.must(http.StatusBadRequest, "POST", at+"/verify", `{"name":"`+name+`"}`)
		w.must(http.StatusBadRequest, "POST", at+"/fetch", `{"bucket":"`+bucket+`","name":"`+name+`"}`)
	}
}
