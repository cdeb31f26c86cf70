package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/engramd/engramd/node/record"
	jsonv2 "github.com/go-json-experiment/json"
)

// These tests are internal: the decoders are not exported.

// FuzzNewMemory: what is taken is what encoding/json reads, too, can be written and read again, and passes or fails the node's checks
// without a panic.
func FuzzNewMemory(f *testing.F) {
	for _, s := range []string{
		`{"content":"x"}`, `{"id":"a","content":"ü","vector":[1,2.5],"tags":["t"],"metadata":{"a":[1]},"confidence":0.5,"created_at":"2026-01-02T03:04:05Z"}`,
		`{"vector":"AACAPw=="}`, `{"access":{"activation":1,"count":2}}`, `{"content":"\ud83d\ude00"}`, `{"content":null}`, `{"metadata":null}`, `[]`, `{`, `{"a":1}`, `{} x`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var m NewMemory
		if err := decode(body, &m); err != nil {
			if p, ok := errors.AsType[*Problem](err); !ok || p.Status != 400 {
				t.Fatalf("%v", err)
			}
			return
		}
		var lenient NewMemory
		if err := json.Unmarshal(body, &lenient); err != nil {
			t.Fatalf("took %q, which is none: %v", body, err)
		}
		if !utf8.ValidString(m.Content) || m.Content != lenient.Content || m.ID != lenient.ID {
			t.Fatalf("%q: %+v, encoding/json has %+v", body, m, lenient)
		}
		written, err := jsonv2.Marshal(&m, faithfully)
		if err != nil {
			t.Fatalf("%q cannot be written: %v", body, err)
		}
		var again NewMemory
		if err := decode(written, &again); err != nil {
			t.Fatalf("%q was written as %q: %v", body, written, err)
		}
		r, err := m.record()
		if err != nil {
			return
		}
		r2, err := again.record()
		if err != nil || r.Content != r2.Content || !reflect.DeepEqual(r.Vector, r2.Vector) && len(r.Vector)+len(r2.Vector) > 0 || !r.ExpiresAt.Equal(r2.ExpiresAt) {
			t.Fatalf("%q: %+v, and again %+v: %v", body, r, r2, err)
		}
		_ = r.Check(2)
	})
}

// FuzzVector: an array is what encoding/json reads, numbers are finite, and base64 gives the same bits back.
func FuzzVector(f *testing.F) {
	for _, s := range []string{`[1,2]`, `[ -1e-3 , 2.5e+1 ]`, `[]`, `"AACAPw=="`, `"AACA\/w=="`, `null`, `[1,]`, `[1e39]`, `["1"]`, `{}`, `"x`, `[0x1]`, `[1_0]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v Vector
		if v.UnmarshalJSON(b) != nil {
			return
		}
		for _, x := range v {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				t.Fatalf("%q has %v", b, x)
			}
		}
		if json.Valid(b) && bytes.HasPrefix(b, []byte("[")) {
			var plain []float32
			if err := json.Unmarshal(b, &plain); err != nil || len(plain) != len(v) {
				t.Fatalf("%q: %v, encoding/json has %v, %v", b, v, plain, err)
			}
			for i := range v {
				if v[i] != plain[i] {
					t.Fatalf("%q: number %d is %v, encoding/json has %v", b, i, v[i], plain[i])
				}
			}
		}
		for _, form := range [][]byte{v.appendBase64(nil), v.appendArray(nil)} {
			var again Vector
			if err := again.UnmarshalJSON(form); err != nil || len(again) != len(v) {
				t.Fatalf("%v was written as %s: %v", v, form, err)
			}
			for i := range v {
				if math.Float32bits(again[i]) != math.Float32bits(v[i]) {
					t.Fatalf("%v was written as %s", v, form)
				}
			}
		}
	})
}

// FuzzComments: JSON without comments stays as it is, and positions stay what they were.
func FuzzComments(f *testing.F) {
	for _, s := range []string{"{\"a\":1 # x \"\n}", `{"a":"#"}`, `{"a":"\"#"}`, "# x", "\"\\", "{\"a\":1}#"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := string(stripComments([]byte(s)))
		switch {
		case len(out) != len(s), strings.Count(out, "\n") != strings.Count(s, "\n"):
			t.Fatalf("%q became %q", s, out)
		case json.Valid([]byte(s)) && out != s:
			t.Fatalf("%q has no comment, and became %q", s, out)
		case !strings.Contains(s, "#") && out != s:
			t.Fatalf("%q became %q", s, out)
		}
	})
}

// FuzzLines: however the stream comes, the lines are those that strings.Split finds.
func FuzzLines(f *testing.F) {
	f.Add("a\nb\r\n\nc", 10)
	f.Add(strings.Repeat("x", 40)+"\ny", 10)
	f.Add(strings.Repeat("x", 1000)+"\ny", 10)
	f.Add("", 0)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = max(1, limit%64)
		var want []string
		if s != "" {
			for line := range strings.SplitSeq(strings.TrimSuffix(s, "\n"), "\n") {
				if len(line) > limit {
					line = "too long"
				}
				want = append(want, strings.TrimSuffix(line, "\r"))
			}
		}
		for _, r := range []io.Reader{strings.NewReader(s), iotest.OneByteReader(strings.NewReader(s)), iotest.DataErrReader(strings.NewReader(s))} {
			l := &lineReader{r: r, limit: limit, buf: make([]byte, 4)}
			var got []string
			for {
				line, err := l.next()
				if err == io.EOF {
					break
				}
				if errors.Is(err, errLongLine) {
					line = []byte("too long")
				} else if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(line))
			}
			if strings.HasSuffix(s, "\r") && len(got) > 0 { // the last line has no end that it could be part of
				got[len(got)-1] = strings.TrimSuffix(got[len(got)-1], "\r")
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%q, limit %d: %q, want %q", s, limit, got, want)
			}
			if len(l.buf) > 8*(limit+4) {
				t.Fatalf("lines of %d took %d bytes", limit, len(l.buf))
			}
		}
	})
}

// FuzzImportLine: every line is counted once, and what is taken can be handed to the node.
func FuzzImportLine(f *testing.F) {
	for _, s := range []string{`{"id":"a","content":"x"}`, `{"from":"a","to":"b","weight":0.5,"kind":"inhibitory"}`, ``, ` `, `{}`, `{"from":"a","id":"b"}`, `{"weight":1}`, `null`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		c := newChunk(1)
		c.add(line)
		if c.next != 2 || len(c.lines) > 1 || len(c.memories)+len(c.edges) > len(c.lines) {
			t.Fatalf("%q: %+v", line, c)
		}
		for _, e := range c.edges {
			if !e.Weight.Valid() {
				t.Fatalf("%q: %+v", line, e)
			}
		}
		for _, m := range c.memories {
			_ = m.Check(0)
			if m.Type > record.Semantic {
				t.Fatalf("%q: %+v", line, m)
			}
		}
	})
}

// plainMerge is RFC 7396 as its appendix has it.
func plainMerge(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	t, ok := target.(map[string]any)
	if !ok {
		t = map[string]any{}
	}
	for name, v := range p {
		if v == nil {
			delete(t, name)
		} else {
			t[name] = plainMerge(t[name], v)
		}
	}
	return t
}

func FuzzMergeMetadata(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":{"c":2}}`), []byte(`{"a":null,"b":{"d":3,"c":null},"e":{"f":null}}`))
	f.Add([]byte(`{"a":[1,{"b":null}]}`), []byte(`{"a":[null]}`))
	f.Add([]byte(``), []byte(`{"a":{}}`))
	f.Add([]byte(`{"a":"é"}`), []byte(`{"\u0061":1}`))
	f.Fuzz(func(t *testing.T, old, patch []byte) {
		var o, p map[string]any
		var raw json.RawMessage
		if len(old) > 0 && (decode(old, &raw) != nil || json.Unmarshal(old, &o) != nil || o == nil) {
			return
		}
		if decode(patch, &raw) != nil || json.Unmarshal(patch, &p) != nil || p == nil {
			return
		}
		if checkDepth("", old) != nil || checkDepth("", patch) != nil {
			return
		}
		got, err := mergeMetadata(old, bytes.TrimSpace(patch))
		if err != nil {
			t.Fatalf("%q and %q: %v", old, patch, err)
		}
		var have any
		if err := json.Unmarshal(got, &have); err != nil {
			t.Fatalf("%q and %q are %q: %v", old, patch, got, err)
		}
		var before any
		if o != nil {
			before = o
		}
		if want := plainMerge(before, any(p)); !reflect.DeepEqual(have, want) {
			t.Fatalf("%q and %q are %s, want %v", old, patch, got, want)
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, s := range []string{"", "limit=3&tags=a&tags=b", "limit=1e3", "timeout=5s", "created_after=2026-01-02T03:04:05Z", "a;b", "limit=%00", "cursor=18446744073709551616"} {
		f.Add(s)
	}
	params := listRoutes[0].params
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw, params)
		if err != nil {
			return
		}
		if n, err := q.int("limit", 5, 1, maxList); err == nil && (n < 1 || n > maxList) {
			t.Errorf("%q has limit %d", raw, n)
		}
		if d, err := q.duration("timeout", 1); err == nil && d <= 0 {
			t.Errorf("%q has timeout %v", raw, d)
		}
		if f, err := q.filter(); err == nil {
			_, _ = f.node()
		}
	})
}
