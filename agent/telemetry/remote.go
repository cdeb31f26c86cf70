package telemetry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	apiv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// Bounds of what a remote server may answer.
const (
	remoteTimeout   = 10 * time.Second
	remoteBodyLimit = 32 << 20
	tokenLimit      = 64 << 10
)

// A remote evaluates expressions on a Prometheus server.
type remote struct {
	url     string
	api     apiv1.API
	timeout time.Duration
	idle    func()
	mixed   *engine // for expressions that read from here, too
}

func newRemote(c Remote) (*remote, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("remote Prometheus: %w", err)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, fmt.Errorf("remote Prometheus %q: want a URL such as http://prometheus:9090", c.URL)
	case u.User != nil:
		return nil, errors.New("remote Prometheus: the URL holds a password: use bearer_token_file")
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	if c.CAFile != "" {
		pool, err := certificates(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("remote Prometheus: %w", err)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	if c.BearerTokenFile != "" {
		if _, err := readToken(c.BearerTokenFile); err != nil {
			return nil, fmt.Errorf("remote Prometheus: %w", err)
		}
	}
	r := &remote{url: c.URL, timeout: orElse(c.Timeout, remoteTimeout), idle: t.CloseIdleConnections}
	client, err := api.NewClient(api.Config{Address: c.URL, Client: &http.Client{
		Transport: &guarded{next: t, tokenFile: c.BearerTokenFile, host: u.Host},
	}})
	if err != nil {
		return nil, fmt.Errorf("remote Prometheus: %w", err)
	}
	r.api = apiv1.NewAPI(client)
	return r, nil
}

func (r *remote) close() { r.idle() }

func certificates(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", file)
	}
	return pool, nil
}

func readToken(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read the bearer token: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, tokenLimit))
	if err != nil {
		return "", fmt.Errorf("read the bearer token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", fmt.Errorf("read the bearer token: %s is empty", file)
	}
	return token, nil
}

// guarded adds the token, read anew each time as it may be rotated, and bounds the answer.
type guarded struct {
	next      http.RoundTripper
	tokenFile string
	host      string // the only one that gets the token, whatever redirects say
}

func (g *guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if g.tokenFile != "" && req.URL.Host == g.host {
		token, err := readToken(g.tokenFile)
		if err != nil {
			return nil, err
		}
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &bounded{ReadCloser: resp.Body, left: remoteBodyLimit}
	return resp, nil
}

// bounded fails once more was read than is left.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("the answer is larger than %d bytes", int64(remoteBodyLimit))
	}
	return n, err
}

func (r *remote) instant(ctx context.Context, expr string, at time.Time) (parser.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	v, _, err := r.api.Query(ctx, expr, at)
	if err != nil {
		return nil, r.failed(err)
	}
	return fromModel(v)
}

func (r *remote) steps(ctx context.Context, expr string, from, to time.Time, step time.Duration) (parser.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	v, _, err := r.api.QueryRange(ctx, expr, apiv1.Range{Start: from, End: to, Step: step})
	if err != nil {
		return nil, r.failed(err)
	}
	return fromModel(v)
}

func (r *remote) failed(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("ask Prometheus at %s: no answer within %s", r.url, r.timeout)
	}
	return fmt.Errorf("ask Prometheus at %s: %w", r.url, err)
}

// fromModel turns an answer into what the engine here would have given.
func fromModel(v model.Value) (parser.Value, error) {
	switch v := v.(type) {
	case *model.Scalar:
		return promql.Scalar{T: int64(v.Timestamp), V: float64(v.Value)}, nil
	case model.Vector:
		out := make(promql.Vector, 0, len(v))
		for _, s := range v {
			if s.Histogram != nil {
				return nil, errors.New("the result is a histogram: take histogram_quantile or another function of it")
			}
			out = append(out, promql.Sample{T: int64(s.Timestamp), F: float64(s.Value), Metric: labelSet(s.Metric)})
		}
		return out, nil
	case model.Matrix:
		out := make(promql.Matrix, 0, len(v))
		for _, s := range v {
			one := promql.Series{Metric: labelSet(s.Metric)}
			for _, p := range s.Values {
				one.Floats = append(one.Floats, promql.FPoint{T: int64(p.Timestamp), F: float64(p.Value)})
			}
			out = append(out, one)
		}
		return out, nil
	}
	return nil, fmt.Errorf("the result is a %T, not numbers", v)
}

func labelSet(m model.Metric) labels.Labels {
	b := labels.NewScratchBuilder(len(m))
	for name, v := range m {
		b.Add(string(name), string(v))
	}
	b.Sort()
	return b.Labels()
}
