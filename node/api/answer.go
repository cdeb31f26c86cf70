package api

import (
	"net/http"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// faithfully is how answers are written: what was taken is given back as it came, even if it came past this package.
var faithfully = json.JoinOptions(jsontext.PreserveRawStrings(true), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// asArrays writes vectors as arrays of numbers instead of base64.
var asArrays = json.JoinOptions(faithfully, json.WithMarshalers(json.MarshalToFunc(func(e *jsontext.Encoder, v Vector) error {
	return e.WriteValue(v.appendArray(nil))
})))

var answers = sync.Pool{New: func() any { return new([]byte) }}

// withBuffer lends f a buffer to build an answer in.
func withBuffer(f func(b []byte) []byte) {
	p := answers.Get().(*[]byte)
	if *p = f((*p)[:0]); cap(*p) <= largestPooled {
		answers.Put(p)
	}
}

// The values of headers that every answer has.
var (
	headerJSON    = []string{mediaJSON}
	headerProblem = []string{mediaProblem}
	headerNoStore = []string{"no-store"}
)

func (x *exchange) answer(status int, v any, opts ...json.Options) error {
	opts = append([]json.Options{faithfully}, opts...)
	b, err := json.Marshal(v, opts...)
	if err != nil {
		return err
	}
	x.write(status, headerJSON, append(b, '\n'))
	return nil
}

func (x *exchange) write(status int, kind []string, b []byte) {
	h := x.w.Header()
	h["Content-Type"], h["Cache-Control"] = kind, headerNoStore
	h["Content-Length"] = []string{strconv.Itoa(len(b))}
	x.w.WriteHeader(status)
	_, _ = x.w.Write(b) // the client may be gone
}

// refuse answers with a problem.
func (x *exchange) refuse(err error) {
	p, ours := problemOf(err)
	if ours {
		x.api.log.Error("request failed", "method", x.r.Method, "path", x.r.URL.Path, "error", err)
	}
	h := x.w.Header()
	if p.RetryAfterSeconds > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfterSeconds))
	}
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="engramd"`)
	case http.StatusMethodNotAllowed:
		h.Set("Allow", p.allow)
	}
	if p.last {
		h.Set("Connection", "close")
	}
	b, err := json.Marshal(p, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		b = []byte(`{"type":"urn:engramd:problem:internal","title":"Internal Server Error","status":500}`)
	}
	x.write(p.Status, headerProblem, append(b, '\n'))
}
