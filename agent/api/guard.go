package api

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
)

// A guard keeps web pages away from an API that asks for no token: a page that a person opens can
// make the browser send requests to loopback.
//
// Two things are checked. The Host must be one of ours, so that a page cannot give a name of its own
// to 127.0.0.1 (DNS rebinding); an address is fine, for a rebinding needs a name. And neither what
// changes something (Sec-Fetch-Site, Origin) nor a script's reading (Origin; a link has none) may come
// from another origin.
type guard struct {
	hosts   []string
	trusted bool // every request that changes something proves itself by a token
	origin  *http.CrossOriginProtection
}

// AnyHost among [Config.Hosts] stands for every name: for what is open to everybody anyway.
const AnyHost = "*"

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
		return problem(http.StatusMisdirectedRequest, "foreign-host", "the name %.100q is not ours", r.Host).
			WithRemedy("use its address or localhost")
	}
	if g.origin.Check(r) != nil || !g.trusted && foreign(r) {
		return problem(http.StatusForbidden, "foreign-origin", "a web page of another origin may not use this")
	}
	return nil
}

// foreign reports whether a script of another origin asks. The handlers mounted here may let every
// origin read, as Prometheus' API does by default.
func foreign(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host
}

// ours reports whether a Host header names this agent.
func (g *guard) ours(hostport string) bool {
	if slices.Contains(g.hosts, AnyHost) {
		return true
	}
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

// Loopback reports whether only this machine can reach an address to listen on.
func Loopback(addr string) bool {
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
