package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/moby/client"
)

// How long calls may take, and how much an answer may hold. A stop takes its own timeout on top.
const (
	readTimeout   = 10 * time.Second
	changeTimeout = time.Minute
	stopTimeout   = 10 * time.Second // Docker's own default
	maxAnswer     = 16 << 20
	infoFor       = 5 * time.Minute
)

// A daemon is the connection to one Docker daemon.
type daemon struct {
	host string
	api  *client.Client
	// raw makes the calls whose bodies must pass through untouched: the client's types drop fields
	// that they do not know, older or newer ones, and a recreate must not.
	raw  *http.Client
	base string // path before the version, for a daemon behind a proxy

	negotiating chan struct{} // full while a call negotiates the API version
	negotiated  atomic.Bool

	mu     sync.Mutex
	info   daemonInfo
	infoAt time.Time
}

// daemonInfo is what does not change while a daemon runs.
type daemonInfo struct {
	ID         string
	Root       string // directory of the daemon's data
	CPUs       int
	Memory     int64
	CgroupV2   bool
	SwapLimits bool
	NoCpuset   bool
	Version    string
}

// dial prepares a connection; it connects to nothing yet.
func dial(host string) (*daemon, error) {
	opts := []client.Opt{client.WithResponseHook(bound), client.WithUserAgent("engramd")}
	if host == "" {
		opts = append(opts, client.WithTLSClientConfigFromEnv(), client.WithHostFromEnv())
	} else {
		opts = append(opts, client.WithHost(host))
	}
	api, err := client.New(opts...)
	if err != nil {
		return nil, fmt.Errorf("docker host %s: %w", hostName(host), err)
	}
	d := &daemon{host: api.DaemonHost(), api: api, negotiating: make(chan struct{}, 1)}
	if u, err := client.ParseHostURL(d.host); err == nil {
		d.base = strings.TrimSuffix(u.Path, "/")
	}
	connect := api.Dialer()
	d.raw = &http.Client{Transport: &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return connect(ctx) },
		DisableCompression: true,
		MaxIdleConns:       2,
		IdleConnTimeout:    30 * time.Second,
	}, CheckRedirect: client.CheckRedirect}
	return d, nil
}

func hostName(host string) string {
	if host != "" {
		return host
	}
	if env := os.Getenv(client.EnvOverrideHost); env != "" {
		return env
	}
	return client.DefaultDockerHost
}

func (d *daemon) close() {
	d.api.Close()
	d.raw.CloseIdleConnections()
}

// bound makes reading an endless answer an error.
func bound(resp *http.Response) {
	if resp.Body != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body = &bounded{resp.Body, maxAnswer}
	}
}

type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// ready negotiates the API version before the first call: the client itself would go on with its
// newest version if that failed, and the daemon's refusal would look like a refusal of the call.
//
// One call negotiates, the others wait for it, each no longer than its own time.
func (d *daemon) ready(ctx context.Context) error {
	if d.negotiated.Load() {
		return nil
	}
	select {
	case d.negotiating <- struct{}{}:
		defer func() { <-d.negotiating }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if d.negotiated.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if _, err := d.api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true, ForceNegotiate: true}); err != nil {
		return err
	}
	d.negotiated.Store(true)
	return nil
}

func (d *daemon) renegotiate() { d.negotiated.Store(false) }

// call makes one call of the client, bounded in time.
func (d *daemon) call(ctx context.Context, doing string, timeout time.Duration, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := d.ready(ctx)
	if err == nil {
		err = fn(ctx)
	}
	return d.fault(ctx, doing, err)
}

// exchange sends body as JSON, if there is one, and returns the answer's bytes.
func (d *daemon) exchange(ctx context.Context, method, path string, query url.Values, body any) ([]byte, error) {
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(b)
	}
	u := url.URL{Scheme: "http", Host: client.DummyHost, Path: d.base + "/v" + d.api.ClientVersion() + path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), reader)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := d.raw.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	bound(resp)
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, statusError{resp.StatusCode, message(text)}
	}
	return text, nil
}

// message takes the sentence out of the daemon's error document.
func message(text []byte) string {
	var doc struct{ Message string }
	if json.Unmarshal(text, &doc) == nil && doc.Message != "" {
		return doc.Message
	}
	return fmt.Sprintf("%.200q", bytes.TrimSpace(text))
}

// about returns what the daemon says of itself, at most minutes old.
func (d *daemon) about(ctx context.Context) (daemonInfo, error) {
	d.mu.Lock()
	info, fresh := d.info, time.Since(d.infoAt) < infoFor
	d.mu.Unlock()
	if fresh {
		return info, nil
	}
	err := d.call(ctx, "read the daemon's info", readTimeout, func(ctx context.Context) error {
		got, err := d.api.Info(ctx, client.InfoOptions{})
		if err != nil {
			return err
		}
		info = daemonInfo{
			ID: got.Info.ID, Root: got.Info.DockerRootDir, CPUs: got.Info.NCPU, Memory: got.Info.MemTotal, CgroupV2: got.Info.CgroupVersion == "2",
			SwapLimits: got.Info.SwapLimit, NoCpuset: !got.Info.CPUSet, Version: got.Info.ServerVersion,
		}
		return nil
	})
	if err != nil {
		return daemonInfo{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.info, d.infoAt = info, time.Now()
	return info, nil
}
