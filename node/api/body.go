package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
)

// What bodies may have.
const (
	maxMemoryBody = 2 << 20 // content of 100 KiB with every byte escaped, a vector of 8192 numbers as text, metadata, tags
	maxListBody   = 8 << 20 // ids, seeds, edges
	maxAdminBody  = 64 << 10
)

// bodies holds the buffers for bodies, and bounds what all of them together may take.
type bodies struct {
	pool  sync.Pool
	used  atomic.Int64
	limit int64
}

const (
	firstBuffer   = 4 << 10
	largestPooled = 256 << 10
)

// A body is a request's body in a buffer that is used again after release.
type body struct {
	b       []byte
	of      *bodies
	counted int64
}

func newBodies(limit int64) *bodies {
	s := &bodies{limit: limit}
	s.pool.New = func() any { return &body{b: make([]byte, 0, firstBuffer), of: s} }
	return s
}

func (b *body) release() {
	b.of.used.Add(-b.counted)
	b.counted = 0
	if cap(b.b) <= largestPooled {
		b.b = b.b[:0]
		b.of.pool.Put(b)
	}
}

// grow makes room for at least one more byte.
func (b *body) grow(limit int64) error {
	size := min(max(2*int64(cap(b.b)), firstBuffer), limit+1)
	if b.of.used.Add(size) > b.of.limit {
		b.of.used.Add(-size)
		p := problem(http.StatusServiceUnavailable, "busy", "the bodies of all requests together are larger than %d bytes", b.of.limit)
		p.RetryAfterSeconds, p.last = 1, true
		return p
	}
	bigger := append(make([]byte, 0, size), b.b...)
	b.of.used.Add(-b.counted)
	b.b, b.counted = bigger, size
	return nil
}

// read reads a body of at most limit bytes.
func (s *bodies) read(r *http.Request, limit int64) (*body, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	b := s.pool.Get().(*body)
	for {
		if len(b.b) == cap(b.b) {
			if err := b.grow(limit); err != nil {
				b.release()
				return nil, err
			}
		}
		n, err := r.Body.Read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		switch {
		case int64(len(b.b)) > limit:
			b.release()
			return nil, tooLarge(limit)
		case err == io.EOF:
			return b, nil
		case err != nil:
			b.release()
			return nil, unread(err)
		}
	}
}

func tooLarge(limit int64) *Problem {
	p := problem(http.StatusRequestEntityTooLarge, "too-large", "the body has more than %d bytes", limit)
	p.last = true
	return p
}

// unread is the problem of a body that does not come to its end.
func unread(err error) *Problem {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p := problem(http.StatusRequestTimeout, "slow", "the body came too slowly")
		p.last = true
		return p
	}
	return malformed("the body ends too early: %v", err)
}

// checkMedia tells whether a body is of one of the types that are taken here, and not compressed.
func checkMedia(r *http.Request, accepted ...string) error {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !equalFold(coding, "identity") {
		return problem(http.StatusUnsupportedMediaType, "content-encoding", "a body that is encoded as %.60q is not taken here", coding).
			withRemedy("send it as it is, without Content-Encoding")
	}
	given := r.Header.Get("Content-Type")
	if slices.Contains(accepted, given) {
		return nil
	}
	kind, params, err := mime.ParseMediaType(given)
	if charset, ok := params["charset"]; err == nil && (!ok || equalFold(charset, "utf-8")) {
		if slices.Contains(accepted, kind) {
			return nil
		}
	}
	// A web form cannot send these types without asking first, so it is one more lock.
	return problem(http.StatusUnsupportedMediaType, "media-type", "a body of type %.60q is not taken here", given).
		withRemedy("send Content-Type: %s", accepted[0])
}
