package api

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"syscall"
)

// ErrUnreachable says that nothing answers at the agent's address.
var ErrUnreachable = errors.New("no engramd answers")

// unreachable turns a failed request into what a person can do.
func (c *Client) unreachable(err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w at %s: is it running? start it with engramd run, or name its address with --addr", ErrUnreachable, c.addr)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("reach engramd at %s: %w: run this as a user of the socket's group", c.addr, syscall.EACCES)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Errorf("reach engramd at %s: it serves without TLS: use http://", c.addr)
	}
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
		return fmt.Errorf("reach engramd at %s: its certificate is of a CA that is not known here: name the CA with --ca-file", c.addr)
	}
	return fmt.Errorf("reach engramd at %s: %w", c.addr, err)
}

// refused reads the problem that the agent tells.
func (c *Client) refused(resp *http.Response, reply []byte) error {
	var p Problem
	if json.Unmarshal(reply, &p) != nil || p.Status == 0 {
		p = Problem{Type: "about:blank", Title: resp.Status, Status: resp.StatusCode}
	}
	if p.Status == http.StatusUnauthorized {
		p.Remedy = "name one with --token-file or ENGRAMD_TOKEN"
	}
	return &p
}
