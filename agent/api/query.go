package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	prometheus "github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
)

// Query is Prometheus' query API as the agent serves it over its own store.
func (c *Client) Query() promv1.API { return promv1.NewAPI(queryClient{c}) }

// A queryClient is what Prometheus' own client talks through.
type queryClient struct{ *Client }

var _ prometheus.Client = queryClient{}

// URL implements [prometheus.Client].
func (c queryClient) URL(endpoint string, args map[string]string) *url.URL {
	for name, value := range args {
		endpoint = strings.ReplaceAll(endpoint, ":"+name, value)
	}
	u, err := url.Parse(c.base)
	if err != nil { // it was parsed once
		return &url.URL{}
	}
	u.Path = path.Join(u.Path, endpoint)
	return u
}

// Do implements [prometheus.Client].
func (c queryClient) Do(ctx context.Context, req *http.Request) (*http.Response, []byte, error) {
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req.WithContext(ctx))
	if err != nil {
		return nil, nil, c.unreachable(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil || len(body) > maxReply {
		return resp, nil, fmt.Errorf("read the answer of the agent at %s: %d bytes: %w", c.addr, len(body), err)
	}
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		return resp, body, c.refused(resp, body)
	}
	return resp, body, nil
}
