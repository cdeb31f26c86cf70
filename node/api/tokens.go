package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
)

// A Role says what a caller may do; each includes those before it.
type Role int

// The roles.
const (
	// Nobody may ask for health and for the OpenAPI document.
	Nobody Role = iota
	// Read may see everything.
	Read
	// Write may remember, change, link and delete.
	Write
	// Admin may do what concerns the whole node: spaces, storage, maintenance, snapshots, threads.
	Admin
)

var roleNames = []string{"nobody", "read", "write", "admin"}

// String is the name used in token files.
func (r Role) String() string { return roleNames[r] }

// Tokens say who may do what. Only their hashes are kept.
type Tokens struct{ all []token }

type token struct {
	name string
	role Role
	sum  [sha256.Size]byte
}

// maxTokenFile bounds what is read.
const maxTokenFile = 1 << 20

// ReadTokens reads a token file: one a line as name:role:token, with a role of read, write or admin. Empty lines and those with # in
// front do not count.
func ReadTokens(file string) (*Tokens, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the token file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTokenFile))
	if err != nil {
		return nil, fmt.Errorf("read the token file: %w", err)
	}
	t, err := ParseTokens(string(text))
	if err != nil {
		return nil, fmt.Errorf("token file %s: %w", file, err)
	}
	return t, nil
}

// ParseTokens reads the text of a token file. Errors name the line and never what is in it.
func ParseTokens(text string) (*Tokens, error) {
	t := &Tokens{}
	var errs []error
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		one, err := parseToken(line)
		if err == nil && slices.ContainsFunc(t.all, func(other token) bool { return other.sum == one.sum }) {
			err = errors.New("the same token as in a line before")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		t.all = append(t.all, one)
	}
	if len(t.all) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("it holds no token: write one a line as name:role:token"))
	}
	return t, errors.Join(errs...)
}

// shortestToken keeps guessable tokens out.
const shortestToken = 16

func parseToken(line string) (t token, err error) {
	name, rest, _ := strings.Cut(line, ":")
	role, secret, ok := strings.Cut(rest, ":")
	if !ok || name == "" {
		return t, errors.New("want name:role:token")
	}
	i := slices.Index(roleNames, strings.TrimSpace(role))
	if i <= 0 {
		return t, errors.New("want a role of read, write or admin")
	}
	secret = strings.TrimSpace(secret)
	if len(secret) < shortestToken {
		return t, fmt.Errorf("the token is shorter than %d characters: make one with openssl rand -hex 24", shortestToken)
	}
	return token{name: strings.TrimSpace(name), role: Role(i), sum: sha256.Sum256([]byte(secret))}, nil
}

// check tells whether a request may do what needs a role.
func (t *Tokens) check(r *http.Request, needs Role) error {
	if t == nil || needs == Nobody {
		return nil
	}
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return problem(http.StatusUnauthorized, "unauthorized", "this needs a token with the role %s", needs).
			withRemedy("send Authorization: Bearer TOKEN, with one of the token file")
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(text)))
	var found token
	for _, one := range t.all { // all of them, whichever it is
		if subtle.ConstantTimeCompare(one.sum[:], sum[:]) == 1 {
			found = one
		}
	}
	switch {
	case found.role == Nobody:
		return problem(http.StatusUnauthorized, "unauthorized", "the token is not known")
	case found.role < needs:
		return problem(http.StatusForbidden, "forbidden", "this needs the role %s, and %s has %s", needs, found.name, found.role)
	}
	return nil
}
