package api

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// A guard keeps web pages away from an API that asks for no token: a page that a person opens can
// make the browser send requests to loopback.
//
// Two things are checked. The Host must be one of ours, so that a page cannot give a name of its own
// to 127.0.0.1 (DNS rebinding); an address is fine, for a rebinding needs a name. And what changes
// something must not come from another origin (Sec-Fetch-Site, Origin).
type guard struct {
	hosts   []string
	trusted bool // every request that changes something proves itself by a token
	origin  *http.CrossOriginProtection
}

func newGuard(cfg Config, a *Access) *guard {
	g := &guard{
		hosts: append([]string{"localhost"}, cfg.Hosts...),
		// A browser sends a client certificate by itself, but never our token.
		trusted: a.tokens != nil && !a.certs,
		origin:  http.NewCrossOriginProtection(),
	}
	if name, err := os.Hostname(); err == nil {
		g.hosts = append(g.hosts, name)
	}
	if host, _, err := net.SplitHostPort(cfg.Addr); err == nil && host != "" {
		g.hosts = append(g.hosts, host)
	}
	return g
}

// check returns a *Problem for a request that a foreign web page may have made.
func (g *guard) check(r *http.Request) error {
	if !g.trusted && !g.ours(r.Host) {
		return problem(http.StatusMisdirectedRequest, "foreign-host", "the name %.100q is not this agent's", r.Host).
			WithRemedy("use its address or localhost")
	}
	if err := g.origin.Check(r); err != nil {
		return problem(http.StatusForbidden, "foreign-origin", "a web page of another origin may not change anything here")
	}
	return nil
}

// ours reports whether a Host header names this agent.
func (g *guard) ours(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	host = strings.TrimSuffix(host, ".")
	return slices.ContainsFunc(g.hosts, func(name string) bool { return strings.EqualFold(host, name) })
}

// loopback reports whether only this machine can reach an address to listen on.
func loopback(addr string) bool {
	if strings.HasPrefix(addr, unixPrefix) {
		return true
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
