package actuators

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"time"
)

// Bounds of what a service may answer with, and of a file of headers.
const (
	requestTimeout = 10 * time.Second
	maxAnswer      = 64 << 10
	maxHeaders     = 64 << 10
)

// send makes one request. The answer's body is cut at maxAnswer, and all of it is bounded in time.
// Redirects are not followed: the headers may carry a secret meant for this address only.
func (x *Executor) send(ctx context.Context, q Request, body any) (status int, answer []byte, err error) {
	timeout := requestTimeout
	if q.Timeout > 0 {
		timeout = min(q.Timeout, requestTimeout)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := newRequest(ctx, q, body)
	if err != nil {
		return 0, nil, err
	}
	client := http.Client{Transport: x.cfg.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return resp.StatusCode, answer, fmt.Errorf("read the answer of %s %s: %w", q.Method, q.URL, err)
	}
	return resp.StatusCode, answer, nil
}

// expect makes a request and wants a 2xx answer.
func (x *Executor) expect(ctx context.Context, q Request, body any) ([]byte, error) {
	status, answer, err := x.send(ctx, q, body)
	if err != nil {
		return nil, err
	}
	if status < 200 || status > 299 {
		return nil, fmt.Errorf("%s %s answered %d %s", q.Method, q.URL, status, http.StatusText(status))
	}
	return answer, nil
}

func newRequest(ctx context.Context, q Request, body any) (*http.Request, error) {
	var content io.Reader
	method := strings.ToUpper(q.Method)
	if method == "" {
		method = http.MethodGet
	}
	if body != nil && method != http.MethodGet {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode the body of %s %s: %w", method, q.URL, err)
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, q.URL, content)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "engramd")
	if content != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if q.HeadersFile == "" {
		return req, nil
	}
	headers, err := readHeaders(q.HeadersFile)
	if err != nil {
		return nil, fmt.Errorf("headers for %s %s: %w", method, q.URL, err)
	}
	maps.Copy(req.Header, headers)
	return req, nil
}

// readHeaders reads a file of "Name: value" lines. Its content never appears in an error.
func readHeaders(path string) (http.Header, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseHeaders(io.LimitReader(f, maxHeaders), path)
}

func parseHeaders(in io.Reader, name string) (http.Header, error) {
	headers := http.Header{}
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" || strings.ContainsAny(key, " \t") {
			return nil, fmt.Errorf(`%s:%d: want "Name: value"`, name, n)
		}
		headers.Add(textproto.CanonicalMIMEHeaderKey(key), value)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return headers, nil
}
