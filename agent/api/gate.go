package api

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
)

// ErrExposed says that an address is open to other machines and nothing guards it.
var ErrExposed = errors.New("anybody on other machines could change everything")

// A Gate decides which requests a handler gets to see: by token, client certificate and origin. The API
// stands behind one, and [Gate.Guard] puts others behind theirs.
type Gate struct {
	log    *slog.Logger
	access *Access
	tls    *tls.Config
	guard  *guard
}

// NewGate makes a gate for what is served at cfg.Addr. It refuses an address that is open to other
// machines without access control (ErrExposed), and reads the token file and the certificates, so that a
// fault in them shows at once.
func NewGate(cfg Config, log *slog.Logger) (*Gate, error) {
	g := &Gate{log: log, access: &Access{certs: cfg.ClientCAFile != ""}}
	if err := g.open(cfg); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	g.guard = newGuard(cfg, g.access)
	return g, nil
}

func (g *Gate) open(cfg Config) (err error) {
	if cfg.TokenFile != "" {
		if g.access.tokens, err = openTokens(cfg.TokenFile, g.log); err != nil {
			return err
		}
	}
	if cfg.OwnToken != "" {
		g.access.own = &token{name: "engramd itself", role: Admin, sum: sha256.Sum256([]byte(cfg.OwnToken))}
	}
	if g.tls, err = newTLS(cfg); err != nil {
		return err
	}
	if !Loopback(cfg.Addr) && g.access.tokens == nil && !g.access.certs && !cfg.Insecure {
		return fmt.Errorf("listen on %s: %w: set auth.token_file or tls.client_ca_file, listen on 127.0.0.1, or say listen.insecure: true", cfg.Addr, ErrExposed)
	}
	return nil
}

// TLS is what the handler is to be served with, nil without.
func (g *Gate) TLS() *tls.Config { return g.tls }

// Guard lets those through to next who have the role that a request needs. A panic of next is a problem
// document, and the end of nobody else.
func (g *Gate) Guard(next http.Handler, needs func(*http.Request) Role) http.Handler {
	let := func(w http.ResponseWriter, r *http.Request) { g.only(needs(r), next).ServeHTTP(w, r) }
	if g.access.tokens == nil && !g.access.certs {
		let = next.ServeHTTP // everybody may do everything
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer g.recovered(w, r)
		if g.enter(w, r) {
			let(w, r)
		}
	})
}

// enter keeps out what a foreign web page may have sent.
func (g *Gate) enter(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("Server", "engramd")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if err := g.guard.check(r); err != nil {
		g.refuse(w, r, err)
		return false
	}
	return true
}

// only lets callers with a role through.
func (g *Gate) only(needs Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if needs == Nobody {
			next.ServeHTTP(w, r)
			return
		}
		who, err := g.access.who(r)
		switch {
		case err != nil:
			g.refuse(w, r, err)
		case who.role < needs && who.name == "":
			g.refuse(w, r, problem(http.StatusUnauthorized, "unauthorized", "this needs a token or a client certificate with the role %s", needs).
				WithRemedy("send Authorization: Bearer TOKEN, with one of the token file"))
		case who.role < needs:
			g.refuse(w, r, problem(http.StatusForbidden, "forbidden", "this needs the role %s, and %s has %s", needs, who.name, who.role))
		default:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
		}
	})
}
