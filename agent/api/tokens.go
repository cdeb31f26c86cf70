package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// A token is one line of a token file. Only its hash is kept.
type token struct {
	name string
	role Role
	sum  [sha256.Size]byte
}

// is reports whether somebody has sent the token, and takes as long for one that is nearly right as for any other.
func (t *token) is(text string) bool {
	sum := sha256.Sum256([]byte(strings.TrimSpace(text)))
	return subtle.ConstantTimeCompare(t.sum[:], sum[:]) == 1
}

// A tokenFile holds tokens and reads them again when the file changes.
type tokenFile struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	seen    fileState
	tokens  []token
	refused bool // the file of now is broken; the tokens are those before
}

// A fileState tells whether a file changed.
type fileState struct {
	size     int64
	modified time.Time
}

// maxTokenFile bounds what is read.
const maxTokenFile = 1 << 20

// openTokens reads a token file for the first time.
func openTokens(path string, log *slog.Logger) (*tokenFile, error) {
	f := &tokenFile{path: path, log: log}
	if err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

// read reads the file if it changed.
func (f *tokenFile) read() error {
	file, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("read token_file: %w", err)
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return fmt.Errorf("read token_file: %w", err)
	}
	state := fileState{st.Size(), st.ModTime()}
	if state == f.seen {
		return nil
	}
	f.seen = state // also a broken one is looked at once only
	text, err := io.ReadAll(io.LimitReader(file, maxTokenFile))
	if err != nil {
		return fmt.Errorf("read token_file: %w", err)
	}
	tokens, err := parseTokens(string(text))
	if err != nil {
		return fmt.Errorf("token_file %s: %w", f.path, err)
	}
	if st.Mode().Perm()&0o004 != 0 {
		f.log.Warn("token_file can be read by every user: take that right away", "path", f.path)
	}
	f.tokens, f.refused = tokens, false
	return nil
}

// who finds the token. A file that became unreadable or broken leaves the tokens of before in force.
func (f *tokenFile) who(text string) (caller, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.read(); err != nil && !f.refused {
		f.refused = true
		f.log.Error("token_file cannot be read; the tokens of before stay in force", "error", err)
	}
	var found caller
	for _, t := range f.tokens { // all of them, whichever it is
		if t.is(text) {
			found = caller{name: t.name, role: t.role}
		}
	}
	if found.role == Nobody {
		return found, problem(http.StatusUnauthorized, "unauthorized", "the token is not known").
			WithRemedy("use one of %s", f.path)
	}
	return found, nil
}

// parseTokens reads one token a line, as "name:role:token" or "role token". Empty lines and those
// with # in front do not count. Errors name the line and never what is in it.
func parseTokens(text string) ([]token, error) {
	var tokens []token
	var faults []error
	seen := map[[sha256.Size]byte]int{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		t, secret, err := parseToken(line)
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		t.sum = sha256.Sum256([]byte(secret))
		if before, ok := seen[t.sum]; ok {
			faults = append(faults, fmt.Errorf("line %d: the same token as in line %d", n, before))
			continue
		}
		seen[t.sum] = n
		if t.name == "" {
			t.name = fmt.Sprintf("%s (line %d)", t.role, n)
		}
		tokens = append(tokens, t)
	}
	if len(tokens) == 0 && len(faults) == 0 {
		faults = append(faults, errors.New("it holds no token: write one a line as name:role:token"))
	}
	return tokens, errors.Join(faults...)
}

// shortestToken keeps guessable tokens out.
const shortestToken = 16

func parseToken(line string) (t token, secret string, err error) {
	name, rest, hasName := strings.Cut(line, ":")
	role, secret, ok := strings.Cut(rest, ":")
	if field := strings.Fields(line); len(field) == 2 {
		name, hasName, role, secret, ok = "", true, field[0], field[1], true
	}
	if !hasName || !ok {
		return t, "", errors.New("want name:role:token")
	}
	t.name = strings.TrimSpace(name)
	if t.role, ok = parseRole(strings.TrimSpace(role)); !ok {
		return t, "", errors.New("want a role of read, write, approve or admin")
	}
	secret = strings.TrimSpace(secret)
	if len(secret) < shortestToken {
		return t, "", fmt.Errorf("the token is shorter than %d characters: make one with openssl rand -hex 24", shortestToken)
	}
	return t, secret, nil
}
