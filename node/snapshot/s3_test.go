package snapshot_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/engramd/engramd/node/snapshot"
	"github.com/google/go-cmp/cmp"
	_ "gocloud.dev/blob/s3blob"
)

// An s3 is a server of one bucket, with as much of Amazon's protocol as snapshots need.
type s3 struct {
	mu      sync.Mutex
	objects map[string][]byte
	puts    []string
	refuse  func(key string) bool // a put
}

func (s *s3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.TrimPrefix(r.URL.Path, "/bucket/")
	switch {
	case strings.HasPrefix(r.URL.Path, "/bucket") && r.Method == http.MethodGet && r.URL.Query().Has("list-type"):
		s.list(w, r)
	case r.Method == http.MethodPut:
		body, err := io.ReadAll(r.Body)
		if err != nil || s.refuse != nil && s.refuse(key) {
			http.Error(w, `<Error><Code>AccessDenied</Code></Error>`, http.StatusForbidden)
			return
		}
		s.objects[key] = unchunked(body, r.Header.Get("Content-Encoding"))
		s.puts = append(s.puts, key)
		w.Header().Set("ETag", `"x"`)
	case s.objects[key] == nil:
		http.Error(w, `<Error><Code>NoSuchKey</Code></Error>`, http.StatusNotFound)
	default:
		w.Header().Set("Content-Length", fmt.Sprint(len(s.objects[key])))
		w.Header().Set("ETag", `"x"`)
		w.Header().Set("Last-Modified", "Sun, 22 Nov 2026 03:00:00 GMT")
		if r.Method == http.MethodGet {
			_, _ = w.Write(s.objects[key])
		}
	}
}

// unchunked takes the content out of aws-chunked bodies: "length;signature\r\ncontent\r\n", trailers at the end.
func unchunked(body []byte, encoding string) []byte {
	if !strings.Contains(encoding, "aws-chunked") {
		return body
	}
	var out []byte
	for {
		line, rest, _ := bytes.Cut(body, []byte("\r\n"))
		var n int
		size, _, _ := strings.Cut(string(line), ";")
		if _, err := fmt.Sscanf(size, "%x", &n); err != nil || n == 0 || n > len(rest) {
			return out
		}
		out, body = append(out, rest[:n]...), bytes.TrimPrefix(rest[n:], []byte("\r\n"))
	}
}

func (s *s3) list(w http.ResponseWriter, r *http.Request) {
	type common struct{ Prefix string }
	type content struct {
		Key  string
		Size int
	}
	var out struct {
		XMLName        xml.Name `xml:"ListBucketResult"`
		IsTruncated    bool
		Contents       []content
		CommonPrefixes []common
	}
	prefix := r.URL.Query().Get("prefix")
	for key, b := range s.objects {
		rest, ok := strings.CutPrefix(key, prefix)
		dir, _, nested := strings.Cut(rest, "/")
		c := common{prefix + dir + "/"}
		switch {
		case !ok:
		case nested && r.URL.Query().Get("delimiter") == "/":
			if !slices.Contains(out.CommonPrefixes, c) {
				out.CommonPrefixes = append(out.CommonPrefixes, c)
			}
		default:
			out.Contents = append(out.Contents, content{key, len(b)})
		}
	}
	_ = xml.NewEncoder(w).Encode(out)
}

// TestS3 archives to and fetches from a server that speaks S3, through the library's own client.
func TestS3(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	server := &s3{objects: map[string][]byte{}}
	h := httptest.NewServer(server)
	defer h.Close()
	u := "s3://bucket?region=eu-central-1&use_path_style=true&prefix=node1/&endpoint=" + h.URL
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()

	w := newWorld(t)
	w.fill(300)
	i := w.take()
	server.refuse = func(key string) bool { return strings.Contains(key, "vectors") }
	if err := w.shelf.Archive(t.Context(), u, i.Name); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("while the bucket refuses: %v", err)
	}
	server.refuse = nil
	if got, err := snapshot.Archived(t.Context(), u); err != nil || len(got) != 0 {
		t.Errorf("half an archive is listed: %v, %v", got, err)
	}
	if added, err := w.shelf.ArchiveAll(t.Context(), u); err != nil || len(added) != 1 {
		t.Fatalf("%v, %v", added, err)
	}
	want := []string{"base.db.000000", "vectors.000000", "manifest.json"}
	for n := range want {
		want[n] = "node1/" + i.Name + "/" + want[n]
	}
	if diff := cmp.Diff(want, server.puts); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	if got, err := w.shelf.Get(i.Name); err != nil || got.ArchivedTo[0].URL != "s3://bucket?prefix=node1%2F" {
		t.Errorf("%+v, %v", got.ArchivedTo, err)
	}
	if got, err := snapshot.Archived(t.Context(), u); err != nil || len(got) != 1 || got[0].Name != i.Name {
		t.Errorf("archived: %+v, %v", got, err)
	}
	if err := w.shelf.Delete(i.Name); err != nil {
		t.Fatal(err)
	}
	back, err := w.shelf.Fetch(t.Context(), u, i.Name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(i.Manifest, back.Manifest); diff != "" {
		t.Errorf("fetched (-want +got):\n%s", diff)
	}
}
