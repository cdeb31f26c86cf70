package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// ErrNotLoopback refuses to send load to another machine.
var ErrNotLoopback = errors.New("load goes to loopback addresses only")

// Config is what a Generator sends. The zero value of a field takes its default.
type Config struct {
	URL            string        // http only, a loopback host
	Method         string        // GET
	Rate           float64       // requests a second at the start; 0 sends none until SetRate
	Timeout        time.Duration // a request's deadline; 5 s
	MaxOutstanding int           // requests under way at once, more are counted as Saturated; 1024
	MaxRequests    int           // a run ends after so many; 1,000,000
	MaxDuration    time.Duration // a run ends after so long; 10 min

	// FreshConnections opens a connection for each request. It finds gaps that reused connections hide (net/http repeats a
	// GET whose reused connection turns out to be closed), at the cost of a local port each: keep below some 400 a second.
	FreshConnections bool

	// Transport replaces the network, for tests.
	Transport http.RoundTripper
}

func (c *Config) ensureDefaults() {
	c.Method = cmp.Or(c.Method, http.MethodGet)
	c.Timeout = cmp.Or(c.Timeout, 5*time.Second)
	c.MaxOutstanding = cmp.Or(c.MaxOutstanding, 1024)
	c.MaxRequests = cmp.Or(c.MaxRequests, 1_000_000)
	c.MaxDuration = cmp.Or(c.MaxDuration, 10*time.Minute)
	if c.Transport == nil {
		c.Transport = &http.Transport{
			DialContext:         (&net.Dialer{Timeout: c.Timeout, ControlContext: onlyLoopback}).DialContext,
			MaxIdleConnsPerHost: c.MaxOutstanding,
			IdleConnTimeout:     30 * time.Second,
			DisableKeepAlives:   c.FreshConnections,
			DisableCompression:  true,
		}
	}
}

func (c *Config) validate() error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("load: url %q: want http://127.0.0.1:PORT/PATH", c.URL)
	}
	if host := u.Hostname(); host != "localhost" {
		if ip, err := netip.ParseAddr(host); err != nil || !ip.Unmap().IsLoopback() {
			return fmt.Errorf("load: host %q: %w", host, ErrNotLoopback)
		}
	}
	return validRate(c.Rate)
}

func validRate(rate float64) error {
	if !(rate >= 0 && rate <= 100_000) {
		return fmt.Errorf("load: rate %v: want 0 to 100000 requests a second", rate)
	}
	return nil
}

// onlyLoopback is the last check before a connection is made, whatever a name resolved to.
func onlyLoopback(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !to.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("connect to %s: %w", address, ErrNotLoopback)
	}
	return nil
}
