package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
)

// ClientOptions of a Client. Zero values are defaults.
type ClientOptions struct {
	// Token is a bearer token, "" for none.
	Token string
	// HTTP does the requests; nil: a client that keeps up to 256 connections.
	HTTP *http.Client
}

// A Client calls the API of a node. What the node refuses comes back as a *[Problem], for which errors.Is finds the errors of
// package node. It is safe for concurrent use.
type Client struct {
	base, token string
	http        *http.Client
}

// ErrUnreachable says that nothing answers at the node's address.
var ErrUnreachable = errors.New("no memory node answers")

// NewClient makes a client of the node at host:port, http://host:port, https://host:port or unix:///path. It connects to
// nothing yet.
func NewClient(addr string, o ClientOptions) (*Client, error) {
	c := &Client{token: o.Token, http: o.HTTP}
	transport := &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute, WriteBufferSize: 16 << 10, ReadBufferSize: 16 << 10}
	if path, ok := strings.CutPrefix(addr, "unix://"); ok {
		c.base = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
	} else {
		if !strings.Contains(addr, "://") {
			addr = "http://" + addr
		}
		u, err := url.Parse(addr)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("address %q of the node: want host:port, https://host:port or unix:///path", addr)
		}
		c.base = u.Scheme + "://" + u.Host
	}
	if c.http == nil {
		c.http = &http.Client{Transport: transport}
	}
	return c, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Remember makes a memory durable. An empty space is m's own, or the default.
func (c *Client) Remember(ctx context.Context, space string, m NewMemory) (Remembered, error) {
	return call[Remembered](ctx, c, http.MethodPost, "/memories/remember", values("space", space), &m)
}

// Get returns a memory. vectors is none, array, base64 or empty, which is array.
func (c *Client) Get(ctx context.Context, space, id, vectors string) (Memory, error) {
	return call[Memory](ctx, c, http.MethodGet, "/memories/"+url.PathEscape(id), values("space", space, "vectors", vectors), nil)
}

// Health tells whether the node serves.
func (c *Client) Health(ctx context.Context) (Health, error) {
	return get[Health](ctx, c, c.base+"/health")
}

// maxReply bounds what is read of an answer that is not a stream.
const maxReply = 1 << 30

// values makes a query of pairs, without those that are empty.
func values(pairs ...string) url.Values {
	var v url.Values
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			if v == nil {
				v = url.Values{}
			}
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

// call does a request below /api/v1 with in as its body, if there is one.
func call[T any](ctx context.Context, c *Client, method, path string, q url.Values, in any) (T, error) {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in, faithfully); err != nil {
			var none T
			return none, err
		}
	}
	return fetch[T](ctx, c, method, c.at(path, q), body, nil)
}

// at is the URL of what is below /api/v1.
func (c *Client) at(path string, q url.Values) string {
	if len(q) == 0 {
		return c.base + prefix + path
	}
	return c.base + prefix + path + "?" + q.Encode()
}

func get[T any](ctx context.Context, c *Client, u string) (T, error) {
	return fetch[T](ctx, c, http.MethodGet, u, nil, nil)
}

// fetch does one request and reads its answer.
func fetch[T any](ctx context.Context, c *Client, method, u string, body []byte, h http.Header) (v T, err error) {
	resp, err := c.do(ctx, method, u, bytes.NewReader(body), len(body) > 0, h)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	reply, err := readReply(resp)
	if err != nil {
		return v, fmt.Errorf("read the answer of the node at %s: %w", c.base, err)
	}
	if len(reply) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(reply, &v); err != nil {
		return v, fmt.Errorf("answer of the node at %s to %s: %w: is it of another version?", c.base, method, err)
	}
	return v, nil
}

func readReply(resp *http.Response) ([]byte, error) {
	if n := resp.ContentLength; n >= 0 && n <= maxReply {
		b := make([]byte, n)
		_, err := io.ReadFull(resp.Body, b)
		return b, err
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxReply))
}

// do sends a request and returns a good answer; anything else is an error.
func (c *Client) do(ctx context.Context, method, u string, body io.Reader, hasBody bool, h http.Header) (*http.Response, error) {
	if !hasBody {
		body = nil
	}
	req, err := http.NewRequestWithContext(ctx, method, u, body)
	if err != nil {
		return nil, fmt.Errorf("address %s of the node: %w", c.base, err)
	}
	if hasBody {
		req.Header["Content-Type"] = headerJSON
	}
	maps.Copy(req.Header, h)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("%w at %s: is it running? start it with engramd node serve", ErrUnreachable, c.base)
		}
		return nil, fmt.Errorf("reach the node at %s: %w", c.base, err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, refusal(resp)
}

// refusal reads the problem that the node tells.
func refusal(resp *http.Response) error {
	reply, _ := io.ReadAll(io.LimitReader(resp.Body, maxAdminBody))
	var p Problem
	if json.Unmarshal(reply, &p) != nil || p.Status == 0 {
		p = Problem{Type: "about:blank", Title: resp.Status, Status: resp.StatusCode, Detail: fmt.Sprintf("the answer is %s", resp.Status)}
	}
	return &p
}
