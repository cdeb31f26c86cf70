package api

import (
	"crypto/x509"
	"net/http"
	"strings"
)

// A Role says what a caller may do; each includes those before it.
type Role int

// The roles.
const (
	// Nobody may ask whether the agent is healthy and ready.
	Nobody Role = iota
	// Read may see everything.
	Read
	// Write may also remember, change and delete memories of the embedded node; of the agent it changes nothing.
	Write
	// Approve may approve, reject and cancel.
	Approve
	// Admin may pause, freeze, release and reload.
	Admin
)

var roleNames = []string{"nobody", "read", "write", "approve", "admin"}

// String is the name used in token files.
func (r Role) String() string { return roleNames[r] }

func parseRole(name string) (Role, bool) {
	for r := Read; r <= Admin; r++ {
		if name == r.String() {
			return r, true
		}
	}
	return Nobody, false
}

// Access decides who is who. Without a token file and client certificates everybody who reaches the
// port may do everything: that is for loopback, and beyond it only where the configuration says
// insecure.
type Access struct {
	tokens *tokenFile // nil: none
	own    *token     // of this program itself, nil: none
	certs  bool       // client certificates are accepted
}

// A caller is who asks.
type caller struct {
	name string // "" if nobody proved to be anybody
	role Role
}

// who tells who asks. It is a *Problem if the request carries something that is not accepted.
func (a *Access) who(r *http.Request) (caller, error) {
	if text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		switch {
		case a.own != nil && a.own.is(text):
			return caller{name: a.own.name, role: a.own.role}, nil
		case a.tokens != nil:
			return a.tokens.who(text)
		}
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return certified(r.TLS.VerifiedChains[0][0]), nil
	}
	if a.tokens == nil && !a.certs {
		return caller{role: Admin}, nil
	}
	return caller{}, nil
}

// certified reads who a verified client certificate names: its common name, with the highest role
// among its organizations, "engramd:read", "engramd:write", "engramd:approve" or "engramd:admin".
func certified(cert *x509.Certificate) caller {
	c := caller{name: cert.Subject.CommonName}
	for _, o := range cert.Subject.Organization {
		if name, ok := strings.CutPrefix(o, "engramd:"); ok {
			role, _ := parseRole(name)
			c.role = max(c.role, role)
		}
	}
	return c
}
