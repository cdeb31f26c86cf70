package transfer_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/transfer"
)

// begin starts a node in an empty directory and returns a client of it.
func begin(t *testing.T) *api.Client {
	t.Helper()
	n, err := node.Open(node.Options{DataDir: t.TempDir(), HotBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	server := httptest.NewServer(api.New(n, api.Options{}))
	c, err := api.NewClient(server.URL, api.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		server.Close()
		stop()
		if err := errors.Join(<-ended, n.Close()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// lines are n memories, and an edge from each to the next.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"id":"m%04d","content":"memory %d"}`+"\n", i, i)
	}
	for i := range n - 1 {
		fmt.Fprintf(&b, `{"from":"m%04d","to":"m%04d","weight":0.5}`+"\n", i, i+1)
	}
	return b.String()
}

func file(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func zipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.Bytes()
}

func squeezed(t *testing.T, text string) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return z.EncodeAll([]byte(text), nil)
}

func TestImportAndExport(t *testing.T) {
	text := lines(300)
	for name, stored := range map[string][]byte{
		"lines.ndjson": []byte(text), "lines.ndjson.gz": zipped(text), "lines.ndjson.zst": squeezed(t, text), transfer.Stdin: nil,
	} {
		t.Run(name, func(t *testing.T) {
			c := begin(t)
			in := &transfer.Import{File: name, In: strings.NewReader(text)}
			if name != transfer.Stdin {
				in.File = file(t, name, stored)
			}
			got, err := in.Run(t.Context(), c)
			want := transfer.Report{ImportCounts: api.ImportCounts{Memories: 300, Edges: 299}, Through: 599}
			if err != nil || got != want {
				t.Fatalf("%+v, %v; want %+v", got, err, want)
			}
			if p := in.Progress(); p.Lines != 599 || p.Of != int64(len(stored)) || p.Bytes != int64(len(stored)) && name != transfer.Stdin {
				t.Errorf("progress: %+v of %d", p, len(stored))
			}
			roundTrip(t, c, name)
		})
	}
}

// roundTrip exports, imports that elsewhere, and exports that: it must be the same bytes.
func roundTrip(t *testing.T, c *api.Client, name string) {
	t.Helper()
	other := begin(t)
	path := filepath.Join(t.TempDir(), name)
	var first, second bytes.Buffer
	if _, err := (&transfer.Export{File: transfer.Stdin, Out: &first}).Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if name == transfer.Stdin {
		path = filepath.Join(filepath.Dir(path), "lines")
	}
	if n, err := (&transfer.Export{File: path}).Run(t.Context(), c); err != nil || n != 599 {
		t.Fatalf("%d lines, %v", n, err)
	}
	if _, err := (&transfer.Import{File: path}).Run(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if _, err := (&transfer.Export{File: transfer.Stdin, Out: &second}).Run(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("another export than the first:\n%s", cmp.Diff(first.String(), second.String()))
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the file there is more: %v, %v", left, err)
	}
}

func TestBadLines(t *testing.T) {
	c := begin(t)
	var told []int
	in := &transfer.Import{File: transfer.Stdin, In: strings.NewReader(`{"id":"a","content":"x"}` + "\nnonsense\n" + `{"id":"b","content":"y"}` + "\n" + `{"id":"a","content":"z"}` + "\n"),
		Bad: func(line int, err error) { told = append(told, line) }}
	got, err := in.Run(t.Context(), c)
	if err != nil || got.Memories != 2 || got.Failed != 2 || got.Through != 4 {
		t.Errorf("%+v, %v", got, err)
	}
	if diff := cmp.Diff([]int{2, 4}, told); diff != "" {
		t.Error(diff)
	}
	in = &transfer.Import{File: transfer.Stdin, In: strings.NewReader("nonsense\n"), Strict: true}
	if got, err = in.Run(t.Context(), c); err == nil || got.Through != 0 {
		t.Errorf("strict: %+v, %v", got, err)
	}
}

// shaky is a node that takes as many lines as the next of takes, and then fails with err.
type shaky struct {
	takes []int
	err   error
	got   []string
	froms []int
}

func (s *shaky) Import(_ context.Context, _ string, in io.Reader, o api.ImportOptions, each func(api.ImportResult) error) (api.ImportResult, error) {
	s.froms = append(s.froms, o.From)
	through, take := o.From-1, -1
	if len(s.takes) > 0 {
		take, s.takes = s.takes[0], s.takes[1:]
	}
	for scan := bufio.NewScanner(in); take != 0 && scan.Scan(); take-- {
		through++
		s.got = append(s.got, scan.Text())
		if err := each(api.ImportResult{Through: through}); err != nil {
			return api.ImportResult{Through: through}, err
		}
	}
	if take == 0 {
		return api.ImportResult{Through: through}, s.err
	}
	return api.ImportResult{Through: through, Done: true, ImportCounts: &api.ImportCounts{Memories: through - o.From + 1}}, nil
}

func TestResume(t *testing.T) {
	path := file(t, "lines", []byte("1\n2\n3\n4\n5\n"))
	s := &shaky{takes: []int{2, 1}, err: io.ErrUnexpectedEOF}
	got, err := (&transfer.Import{File: path, Resume: true}).Run(t.Context(), s)
	if !errors.Is(err, io.ErrUnexpectedEOF) || got.Through != 2 || !got.Noted {
		t.Fatalf("cut off: %+v, %v", got, err)
	}
	if _, err := (&transfer.Import{File: path, Resume: true, Space: "other"}).Run(t.Context(), s); err == nil || !strings.Contains(err.Error(), `the space ""`) {
		t.Errorf("into another space: %v", err)
	}
	if got, err = (&transfer.Import{File: path, Resume: true}).Run(t.Context(), s); err == nil || got.Through != 3 {
		t.Fatalf("cut off again: %+v, %v", got, err)
	}
	if got, err = (&transfer.Import{File: path, Resume: true}).Run(t.Context(), s); err != nil || got.Through != 5 {
		t.Fatalf("to the end: %+v, %v", got, err)
	}
	if diff := cmp.Diff([]string{"1", "2", "3", "4", "5"}, s.got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{1, 3, 4}, s.froms); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(path + ".resume"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the note stays behind: %v", err)
	}
	if _, err := (&transfer.Import{File: transfer.Stdin, In: strings.NewReader(""), Resume: true}).Run(t.Context(), s); err == nil {
		t.Error("the standard input is resumed")
	}
	if got, err = (&transfer.Import{File: transfer.Stdin, In: strings.NewReader("1\n2\n3\n"), From: 3}).Run(t.Context(), s); err != nil || s.got[5] != "3" || got.Through != 3 {
		t.Errorf("from line 3: %+v, %v, %v", got, err, s.got)
	}
}

// A node that is busy, or starts again, is waited for, as long as it lets something through now and then.
func TestPatience(t *testing.T) {
	path := file(t, "lines", []byte("1\n2\n3\n4\n5\n"))
	busy := &api.Problem{Status: http.StatusServiceUnavailable, RetryAfterSeconds: 5}
	for name, tt := range map[string]struct {
		err      error
		takes    []int
		patience time.Duration
		fails    bool
		waited   time.Duration
	}{
		"busy":          {busy, []int{0, 0, 1, 0, 1}, 12 * time.Second, false, 25 * time.Second},
		"for too long":  {busy, []int{0, 0, 0, 0, 0}, 12 * time.Second, true, 10 * time.Second},
		"away":          {fmt.Errorf("reach: %w", api.ErrUnreachable), []int{2, 0}, time.Minute, false, 2 * time.Second},
		"no patience":   {busy, []int{1}, 0, true, 0},
		"refused":       {&api.Problem{Status: http.StatusForbidden}, []int{1}, time.Minute, true, 0},
		"no memory":     {&api.Problem{Status: http.StatusInsufficientStorage}, []int{1}, time.Minute, true, 0},
		"what is wrong": {errors.New("other"), []int{1}, time.Minute, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &shaky{takes: tt.takes, err: tt.err}
				began := time.Now()
				got, err := (&transfer.Import{File: path, Patience: tt.patience}).Run(t.Context(), s)
				if (err != nil) != tt.fails || !tt.fails && (got.Through != 5 || len(s.got) != 5) {
					t.Errorf("%+v, %v, got %v", got, err, s.got)
				}
				if !tt.fails && got.Uncounted+got.Memories != 5 {
					t.Errorf("%d uncounted and %d counted of 5 lines", got.Uncounted, got.Memories)
				}
				if waited := time.Since(began); waited != tt.waited {
					t.Errorf("waited %v, want %v", waited, tt.waited)
				}
			})
		})
	}
}

func TestDamagedFile(t *testing.T) {
	c := begin(t)
	good := zipped(lines(3000))
	for name, text := range map[string][]byte{"cut.gz": good[:len(good)/2], "none.gz": []byte("no gzip"), "none.zst": []byte("no zstd")} {
		path := file(t, name, text)
		got, err := (&transfer.Import{File: path}).Run(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := (&transfer.Import{File: filepath.Join(t.TempDir(), "nothing")}).Run(t.Context(), c); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// half is a node that goes away in the middle of an export.
type half struct{}

func (half) Export(_ context.Context, _ string, _ api.Filter, _ bool, w io.Writer) (int64, error) {
	n, err := io.WriteString(w, "one\nand ha")
	return int64(n), errors.Join(err, io.ErrUnexpectedEOF)
}

func TestExportIsWholeOrNotThere(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"lines", "lines.gz", "lines.zst"} {
		n, err := (&transfer.Export{File: filepath.Join(dir, name)}).Run(t.Context(), half{})
		if !errors.Is(err, io.ErrUnexpectedEOF) || n != 1 {
			t.Errorf("%s: %d lines, %v", name, n, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := (&transfer.Export{File: filepath.Join(dir, "no", "dir")}).Run(t.Context(), half{}); err == nil {
		t.Error("a directory that is not there")
	}
}
