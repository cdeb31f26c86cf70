package node

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/engramd/engramd/actuators"
)

const (
	adminPath = "/api/v1/admin"
	// maxReply bounds what is read of an answer.
	maxReply = 16 << 20
	// quick bounds a request that a node answers from what it has at hand.
	quick = 20 * time.Second
)

// A client speaks with one node.
type client struct {
	spec  Spec
	http  *http.Client
	files certificates // as they were when it was made
}

// newClient connects to nothing yet.
func newClient(s Spec) (*client, error) {
	t := &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, Proxy: http.ProxyFromEnvironment}
	c := &client{spec: s, http: &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a token goes nowhere else
	}}
	var err error
	c.files = filesOf(s) // before they are read: what changes meanwhile is read again
	t.TLSClientConfig, err = clientTLS(s)
	return c, err
}

// token reads the token anew each time: it may have been replaced.
func (c *client) token() (string, error) {
	if c.spec.TokenFile == "" {
		return "", nil
	}
	b, err := os.ReadFile(c.spec.TokenFile)
	if err != nil {
		return "", fmt.Errorf("node: read token_file: %w", err)
	}
	token, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	if token = strings.TrimSpace(token); token == "" {
		return "", fmt.Errorf("node: token_file %s is empty", c.spec.TokenFile)
	}
	return token, nil
}

// get asks for what is at path.
func get[T any](ctx context.Context, c *client, path string) (v T, err error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	return v, c.call(ctx, http.MethodGet, path, nil, &v)
}

// post does what is at path. The answer is not looked at: what holds then is observed.
func (c *client) post(ctx context.Context, path string, in any) error {
	return c.call(ctx, http.MethodPost, path, in, nil)
}

// call makes one request. Its errors wrap those of package actuators.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		body = bytes.NewReader(encode(in))
	}
	r, err := http.NewRequestWithContext(ctx, method, c.spec.URL+path, body)
	if err != nil {
		return fmt.Errorf("node: url %s: %w", c.spec.URL, err)
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	token, err := c.token()
	if err != nil {
		return err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return c.unreached(err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return c.unreached(err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return c.refusal(method, path, resp.StatusCode, reply)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(reply, out); err != nil {
		return fmt.Errorf("node: what %s answers to %s %s makes no sense: %w: is it a memory node, and of this version?", c.spec.URL, method, path, err)
	}
	return nil
}

// unreached is the error of a node that did not answer: it may have done what it was asked, and will be asked again.
func (c *client) unreached(err error) error {
	var unknown x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	if errors.As(err, &unknown) || errors.As(err, &wrongName) {
		return fmt.Errorf("node: the certificate of %s is not trusted: %w: give its ca_file", c.spec.URL, err)
	}
	return fmt.Errorf("%w: reach the node: %w", actuators.ErrTransient, err)
}

// The node is one, but does not know an endpoint, since it is older, or has a space no more.
var (
	errAbsentEndpoint = errors.New("the node does not have this yet")
	errNoSpace        = errors.New("the space is gone")
)

// refusal is the error of an answer that is none of success.
func (c *client) refusal(method, path string, status int, reply []byte) error {
	var p problem
	isProblem := json.Unmarshal(reply, &p) == nil && p.Type != ""
	text := cmp.Or(p.Detail, p.Title, http.StatusText(status))
	if p.Remedy != "" {
		text += ": " + p.Remedy
	}
	what := fmt.Sprintf("%s %s of the node at %s: %d: %.300s", method, path, c.spec.URL, status, text)
	switch {
	case status == http.StatusUnauthorized:
		return fmt.Errorf("node: %s: give a token_file with a token that the node knows", what)
	case status == http.StatusForbidden:
		return fmt.Errorf("node: %s: the token needs the role admin", what)
	case status == http.StatusNotFound && strings.HasSuffix(p.Type, ":no-space"):
		return fmt.Errorf("node: %s: %w", what, errNoSpace)
	case status == http.StatusNotFound && isProblem, status == http.StatusMethodNotAllowed && isProblem:
		return fmt.Errorf("node: %s: %w", what, errAbsentEndpoint)
	case status == http.StatusNotFound:
		return fmt.Errorf("node: %w: what answers at %s is no memory node", actuators.ErrNotFound, c.spec.URL)
	case status == http.StatusServiceUnavailable, status == http.StatusTooManyRequests, status == http.StatusBadGateway,
		status == http.StatusGatewayTimeout, status == http.StatusRequestTimeout:
		return fmt.Errorf("%w: %s", actuators.ErrTransient, what)
	case status == http.StatusBadRequest, status == http.StatusConflict:
		return fmt.Errorf("node: %w: %s", actuators.ErrRefused, what)
	}
	return fmt.Errorf("node: %s", what)
}
