package events

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// A poster sends bodies to one receiver. It trusts nothing that comes back: the time of a try, the
// size of the answer and the number of tries are bounded, and redirects are not followed (they would
// carry our headers elsewhere).
type poster struct {
	url         string
	headersFile string
	client      *http.Client
}

const (
	tries       = 4
	firstPause  = time.Second
	longest     = 30 * time.Second // between two tries, also where the receiver asks for more
	maxAnswer   = 64 << 10
	maxHeaders  = 64 << 10 // of an answer, and of a headers file
	answerShown = 200
)

func newPoster(r *Receiver) (*poster, error) {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		MaxResponseHeaderBytes: maxHeaders,
		MaxConnsPerHost:        1,
		IdleConnTimeout:        time.Minute,
	}
	if r.CAFile != "" {
		pem, err := os.ReadFile(r.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read ca_file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file %s holds no certificate in PEM", r.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return &poster{url: r.URL, headersFile: r.HeadersFile, client: &http.Client{
		Transport: transport,
		Timeout:   r.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}, nil
}

// errFinal marks a failure that trying again does not mend.
var errFinal = errors.New("the receiver refuses it")

// post sends body, and tries again a few times where that may help.
func (p *poster) post(ctx context.Context, url, contentType string, body []byte) error {
	pause := firstPause
	for n := 1; ; n++ {
		wait, err := p.try(ctx, url, contentType, body)
		if err == nil || errors.Is(err, errFinal) || n == tries {
			return err
		}
		// A little chance keeps many agents from trying in step.
		pause = min(2*pause, longest)
		timer := time.NewTimer(max(wait, pause/2+rand.N(pause/2)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

// try sends body once. It returns how long the receiver asks to wait.
func (p *poster) try(ctx context.Context, url, contentType string, body []byte) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errFinal, err)
	}
	if err := p.headers(req.Header); err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case resp.StatusCode < 300 && err == nil:
		return 0, nil
	case resp.StatusCode < 300:
		// The answer may be cut; what counts is that the event was taken.
		return 0, nil
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		return retryAfter(resp), fmt.Errorf("answer %s: %.*q", resp.Status, answerShown, answer)
	}
	return 0, fmt.Errorf("%w: answer %s: %.*q", errFinal, resp.Status, answerShown, answer)
}

// retryAfter reads how many seconds the receiver asks to wait.
func retryAfter(resp *http.Response) time.Duration {
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, longest)
}

// headers adds what the headers file says.
func (p *poster) headers(to http.Header) error {
	if p.headersFile == "" {
		return nil
	}
	f, err := os.Open(p.headersFile)
	if err != nil {
		return fmt.Errorf("read headers_file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxHeaders))
	if err != nil {
		return fmt.Errorf("read headers_file: %w", err)
	}
	return parseHeaders(string(text), to)
}

// parseHeaders reads one "Name: value" a line; empty lines and those with # in front do not count.
// Its errors show no value: it may be a secret.
func parseHeaders(text string, to http.Header) error {
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(name, " \t") {
			return fmt.Errorf("headers_file line %d: want \"Name: value\"", n)
		}
		to.Add(name, strings.TrimSpace(value))
	}
	return nil
}
