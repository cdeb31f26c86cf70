package api

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// A guard keeps web pages away from a node that asks for no token: a page that a person opens can make the browser send
// requests to loopback.
//
// Nothing that changes something may come from another origin. And where the node was reached over loopback, the Host must
// be an address or one of ours, so that a page cannot give a name of its own to 127.0.0.1 (DNS rebinding).
type guard struct {
	hosts  []string
	origin *http.CrossOriginProtection
}

func newGuard(hosts []string) *guard {
	g := &guard{hosts: append([]string{"localhost"}, hosts...), origin: http.NewCrossOriginProtection()}
	if name, err := os.Hostname(); err == nil {
		g.hosts = append(g.hosts, name)
	}
	return g
}

func (g *guard) check(r *http.Request) error {
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && local.IP.IsLoopback() && !g.ours(r.Host) {
		return problem(http.StatusMisdirectedRequest, "foreign-host", "the name %.100q is not this node's", r.Host).
			withRemedy("use its address or localhost")
	}
	if g.origin.Check(r) != nil {
		return problem(http.StatusForbidden, "foreign-origin", "a web page of another origin may not do this")
	}
	return nil
}

// ours tells whether a Host header names this node.
func (g *guard) ours(hostport string) bool {
	host := hostport
	if i := strings.LastIndexByte(hostport, ':'); i >= 0 && !strings.HasSuffix(hostport, "]") {
		host = hostport[:i]
	}
	if host == "" || host == "localhost" || host == "127.0.0.1" {
		return true
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	host = strings.TrimSuffix(host, ".")
	return slices.ContainsFunc(g.hosts, func(name string) bool { return strings.EqualFold(host, name) })
}
