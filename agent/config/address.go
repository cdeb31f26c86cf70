package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// checkURL checks that text is the URL of an HTTP server, without a password in it.
func (r *resolver) checkURL(path, text string) {
	wrong := func(what, hint string) { r.faultAt(path, fmt.Sprintf("%s: %s", path, what), hint) }
	u, err := url.Parse(text)
	switch {
	case text == "":
		wrong("the URL is missing", "")
	case err != nil:
		wrong(fmt.Sprintf("%.80q is no URL", text), "")
	case u.User != nil:
		wrong("a user or password in the URL", "put it into a headers_file, as `Authorization: ...`")
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		wrong(fmt.Sprintf("%.80q is no URL of an HTTP server", text), "want http://host:port/path or https://...")
	case u.Fragment != "":
		wrong("a URL with a fragment (#...)", "leave it out")
	default:
		if _, ok := port(u); !ok {
			wrong(fmt.Sprintf("%.80q has no valid port", text), "")
		}
	}
}

func port(u *url.URL) (int, bool) {
	switch text := u.Port(); {
	case text != "":
		n, err := strconv.Atoi(text)
		return n, err == nil && n > 0 && n < 1<<16
	case u.Scheme == "https":
		return 443, true
	}
	return 80, true
}

// listen checks where we answer and who may reach it.
func (r *resolver) listen() {
	l := &r.doc.Listen
	var users []user
	for _, one := range []struct {
		key, address string
		used         bool
	}{
		{"agent", l.Agent, true}, {"node", l.Node, r.doc.Node.Enabled}, {"metrics", l.Metrics, l.Metrics != ""},
	} {
		path := "listen." + one.key
		if one.address == "" && !one.used {
			continue
		}
		host, number, err := splitAddress(one.address)
		if err != nil {
			r.faultAt(path, fmt.Sprintf("%s: %v", path, err), "want host:port, such as 127.0.0.1:9090")
			continue
		}
		if one.used {
			users = append(users, user{path, host, number})
			if one.key != "metrics" {
				r.checkExposed(path, one.address, host)
			}
		}
	}
	r.checkUsers(users)
	r.checkTLS()
	r.cfg.Listen, r.cfg.Auth, r.cfg.TLS, r.cfg.Log = *l, r.doc.Auth, r.doc.TLS, r.doc.Log
	r.cfg.Auth.TokenFile = r.file(r.doc.Auth.TokenFile)
	r.cfg.TLS = TLS{r.file(r.doc.TLS.CertFile), r.file(r.doc.TLS.KeyFile), r.file(r.doc.TLS.ClientCAFile)}
}

// checkExposed refuses an address that others can reach and that nothing guards.
func (r *resolver) checkExposed(path, address, host string) {
	if isLoopback(host) {
		return
	}
	switch {
	case r.doc.Auth.TokenFile != "", r.doc.TLS.ClientCAFile != "":
	case r.doc.Listen.Insecure:
		r.warn(r.at(path), fmt.Sprintf("%s: everybody who reaches %s may approve and change everything (listen.insecure)", path, address))
	default:
		r.faultAt(path, fmt.Sprintf("%s: %s is not loopback, and nothing guards it", path, address),
			"add auth.token_file, or tls.client_ca_file, or listen.insecure: true")
	}
}

func (r *resolver) checkTLS() {
	t := r.doc.TLS
	switch {
	case (t.CertFile == "") != (t.KeyFile == ""):
		r.faultAt("tls", "tls: cert_file and key_file are both needed", "")
	case t.ClientCAFile != "" && t.CertFile == "":
		r.faultAt("tls.client_ca_file", "tls.client_ca_file: client certificates need TLS", "add cert_file and key_file")
	}
}

// A user is somebody who listens on an address.
type user struct {
	path, host string
	port       int
}

// checkUsers complains of two users of one address.
func (r *resolver) checkUsers(users []user) {
	for i, a := range users {
		for _, b := range users[:i] {
			if a.port == b.port && a.port != 0 && sameHost(a.host, b.host) {
				r.faultAt(a.path, fmt.Sprintf("%s: port %d is used twice", a.path, a.port), fmt.Sprintf("%s has it, too", b.path))
			}
		}
	}
	for i, t := range r.doc.Targets {
		if t.Node == nil {
			continue
		}
		u, err := url.Parse(t.Node.URL)
		own := r.doc.Node.Enabled && !slices.ContainsFunc(t.Platforms, func(p platformSection) bool { return rank(p.Name) == 0 })
		if err != nil || own { // the embedded node is a target, too
			continue
		}
		number, _ := port(u)
		for _, b := range users {
			if number == b.port && isLoopback(u.Hostname()) && sameHost(u.Hostname(), b.host) {
				r.faultAt(fmt.Sprintf("targets[%d].node.url", i), fmt.Sprintf("the node of target %s and %s have the same address %s", t.Name, b.path, u.Host), "give one of them another port")
			}
		}
	}
}

// splitAddress takes host:port apart.
func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%.80q is no address", address)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port >= 1<<16 {
		return "", 0, fmt.Errorf("%.80q has no valid port", address)
	}
	if host != "" && net.ParseIP(host) == nil && strings.ContainsAny(host, " /:@") {
		return "", 0, fmt.Errorf("%.80q has no valid host", address)
	}
	return host, port, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// sameHost reports whether who listens on a and who listens on b are in each other's way.
func sameHost(a, b string) bool {
	return a == b || isAny(a) || isAny(b) || isLoopback(a) && isLoopback(b)
}

func isAny(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }
