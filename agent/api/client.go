package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/engramd/engramd/policy"
)

// A ClientConfig says where the agent is and who asks.
type ClientConfig struct {
	// Addr is host:port, http://host:port, https://host:port or unix:///path.
	Addr string
	// Token is a bearer token, "" for none.
	Token string
	// CAFile verifies the agent's certificate, CertFile and KeyFile are the client's own.
	CAFile, CertFile, KeyFile string
}

// A Client calls the API of an agent. Its errors say what to do. It is safe for concurrent use.
type Client struct {
	addr, base, token, by string
	http                  *http.Client
}

// maxReply bounds what is read of an answer.
const maxReply = 64 << 20

// NewClient makes a client; it connects to nothing yet.
func NewClient(cfg ClientConfig) (*Client, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}
	c := &Client{addr: cfg.Addr, token: cfg.Token, by: userName(), http: &http.Client{Transport: transport, Timeout: patience + 5*time.Second}}
	if path, ok := strings.CutPrefix(cfg.Addr, unixPrefix); ok {
		c.base = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		return c, nil
	}
	addr := cfg.Addr
	if !strings.Contains(addr, "://") {
		scheme := "http://"
		if cfg.CAFile != "" || cfg.CertFile != "" {
			scheme = "https://"
		}
		addr = scheme + addr
	}
	u, err := url.Parse(addr)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("address %q of the agent: want host:port, https://host:port or unix:///path", cfg.Addr)
	}
	c.base = u.Scheme + "://" + u.Host
	transport.TLSClientConfig, err = cfg.TLS()
	return c, err
}

// TLS says whom the client trusts, and who it is.
func (cfg ClientConfig) TLS() (*tls.Config, error) {
	t := &tls.Config{}
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", cfg.CAFile)
		}
	}
	if cfg.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the client certificate: %w", err)
		}
		t.Certificates = []tls.Certificate{cert}
	}
	return t, nil
}

// userName is whom the agent writes down as the one who asked, if nothing proves it.
func userName() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks how the agent and its targets are.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return get[Status](ctx, c, "/status", nil)
}

// Plan asks what would be done about a target, or with "" about all.
func (c *Client) Plan(ctx context.Context, target string) ([]PlanView, error) {
	return get[[]PlanView](ctx, c, "/plan", values("target", target))
}

// Decisions asks for decisions, newest first.
func (c *Client) Decisions(ctx context.Context, q DecisionQuery) ([]policy.Decision, error) {
	return get[[]policy.Decision](ctx, c, "/decisions", values("target", q.Target, "policy", q.Policy,
		"resource", string(q.Resource), "since", timeText(q.Since), "limit", limitText(q.Limit)))
}

// Actions asks for actions, newest first.
func (c *Client) Actions(ctx context.Context, q ActionQuery) ([]ActionView, error) {
	open := ""
	if q.Open {
		open = "true"
	}
	return get[[]ActionView](ctx, c, "/actions", values("target", q.Target, "resource", string(q.Resource),
		"open", open, "since", timeText(q.Since), "limit", limitText(q.Limit)))
}

// Explain asks for everything about a decision, by its id, its action's, or the beginning of one.
func (c *Client) Explain(ctx context.Context, id string) (Explanation, error) {
	return get[Explanation](ctx, c, "/decisions/"+url.PathEscape(id), nil)
}

// Approve lets a waiting action run.
func (c *Client) Approve(ctx context.Context, id string, r ApproveRequest) (ActionView, error) {
	return post[ActionView](ctx, c, "/actions/"+url.PathEscape(id)+"/approve", &r)
}

// Reject says no to a waiting action.
func (c *Client) Reject(ctx context.Context, id string, r ReasonRequest) (ActionView, error) {
	return post[ActionView](ctx, c, "/actions/"+url.PathEscape(id)+"/reject", &r)
}

// Cancel ends an action.
func (c *Client) Cancel(ctx context.Context, id string, r ReasonRequest) (ActionView, error) {
	return post[ActionView](ctx, c, "/actions/"+url.PathEscape(id)+"/cancel", &r)
}

// Pause stops new actions on a target, or with "" on all.
func (c *Client) Pause(ctx context.Context, r PauseRequest) (PauseView, error) {
	return post[PauseView](ctx, c, "/pause", &r)
}

// Resume ends a pause.
func (c *Client) Resume(ctx context.Context, r TargetRequest) error {
	_, err := post[Done](ctx, c, "/resume", &r)
	return err
}

// Freeze keeps a resource as it is.
func (c *Client) Freeze(ctx context.Context, r FreezeRequest) (FreezeView, error) {
	return post[FreezeView](ctx, c, "/freeze", &r)
}

// Unfreeze ends a freeze.
func (c *Client) Unfreeze(ctx context.Context, r UnfreezeRequest) error {
	_, err := post[Done](ctx, c, "/unfreeze", &r)
	return err
}

// Release gives resources back the size they had before engramd.
func (c *Client) Release(ctx context.Context, r ReleaseRequest) ([]ReleaseView, error) {
	return post[[]ReleaseView](ctx, c, "/release", &r)
}

// Reload has the agent read its configuration again.
func (c *Client) Reload(ctx context.Context) (ReloadView, error) {
	return call[ReloadView](ctx, c, http.MethodPost, "/-/reload", nil)
}

// Ready asks whether the agent is ready; a *Problem says what is missing.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.fetch(ctx, http.MethodGet, "/-/ready", nil)
	return err
}

// values makes a query of pairs, without those that are empty.
func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func limitText(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func get[T any](ctx context.Context, c *Client, path string, q url.Values) (T, error) {
	path = prefix + path
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return call[T](ctx, c, http.MethodGet, path, nil)
}

func post[T any](ctx context.Context, c *Client, path string, in interface{ asker() *Asked }) (T, error) {
	if in.asker().By == "" {
		in.asker().By = c.by
	}
	body, err := json.Marshal(in)
	if err != nil {
		var none T
		return none, err
	}
	return call[T](ctx, c, http.MethodPost, prefix+path, body)
}

func call[T any](ctx context.Context, c *Client, method, path string, body []byte) (T, error) {
	var v T
	reply, err := c.fetch(ctx, method, path, body)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(reply, &v); err != nil {
		return v, fmt.Errorf("answer of the agent at %s to %s %s: %w: is it of another version?", c.addr, method, path, err)
	}
	return v, nil
}

// fetch does one request and returns the body of a good answer.
func (c *Client) fetch(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("address %q of the agent: %w", c.addr, err)
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer of the agent at %s: %w", c.addr, err)
	case len(reply) > maxReply:
		return nil, fmt.Errorf("answer of the agent at %s is larger than %d bytes", c.addr, maxReply)
	case strings.HasPrefix(string(reply), "Client sent an HTTP request to an HTTPS server"):
		return nil, fmt.Errorf("the agent at %s serves TLS: use https:// in --addr", c.addr)
	case resp.Header.Get("Server") != "engramd":
		return nil, fmt.Errorf("what answers at %s is not engramd (%s): name the agent's address with --addr", c.addr, resp.Status)
	case resp.StatusCode >= 300:
		return nil, c.refused(resp, reply)
	}
	return reply, nil
}
