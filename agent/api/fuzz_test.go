package api

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"
)

// These tests are internal: the decoders are not exported.

func FuzzPauseRequest(f *testing.F) {
	for _, s := range []string{"", "{}", `{"target":"e","for":"2h","reason":"r","by":"b"}`, `{"for":-1}`, `{"for":"999999y"}`, `{"reason":"\u0000"}`, `[]`, `null`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		in, err := read[PauseRequest](r)
		if err != nil {
			return
		}
		if strings.ContainsFunc(in.Reason+in.Target, unicode.IsControl) || in.By == "" || in.For < 0 || time.Duration(in.For) > longestFor {
			t.Errorf("took %+v", in)
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, s := range []string{"", "since=2h&limit=3", "since=2026-11-21T12:00:00Z", "since=-1d", "limit=1e3", "since=%00", "a;b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw, "since", "limit")
		if err != nil {
			return
		}
		if _, limit, err := q.bounds(time.Unix(0, 0)); err == nil && (limit < 1 || limit > maxLimit) {
			t.Errorf("%q has limit %d", raw, limit)
		}
	})
}

func FuzzTokens(f *testing.F) {
	for _, s := range []string{"", "# x\n", "a:read:0123456789abcdef\n", "admin 0123456789abcdef", "a:b:c:d", ":::", "a:read: 0123456789abcdef\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tokens, err := parseTokens(text)
		if err == nil && len(tokens) == 0 {
			t.Error("no token and no error")
		}
		for _, one := range tokens {
			if one.role < Read || one.role > Admin || one.name == "" {
				t.Errorf("token %+v", one)
			}
		}
	})
}
