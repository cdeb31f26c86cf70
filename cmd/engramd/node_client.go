package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	agentapi "github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/node/api"
)

// nodeExits are the exit codes of the commands that ask a node.
const nodeExits = `
Exit codes: 0 done; 1 it failed; 2 the command line is at fault; 3 no node answered; 4 the node
refused (no such thing, a conflict, no right to, no room).`

// A nodeAsk is what all commands that ask a node are told.
type nodeAsk struct {
	*options
	url, space string
}

// reach adds the flags that say which node.
func (n *nodeAsk) reach(cmd *cobra.Command) {
	address := os.Getenv("ENGRAMD_NODE_URL")
	if address == "" {
		address = "http://127.0.0.1:7432"
	}
	cmd.Flags().StringVar(&n.url, "url", address, "the node's address ($ENGRAMD_NODE_URL)")
	cmd.Long += "\n" + nodeExits
}

// within adds the flags that say which node, and which of its spaces.
func (n *nodeAsk) within(cmd *cobra.Command) {
	n.reach(cmd)
	cmd.Flags().StringVar(&n.space, "space", "", "the space (default: default)")
}

// client connects to the node that the flags name.
func (n *nodeAsk) client() (*api.Client, error) {
	token, err := n.token()
	if err != nil {
		return nil, err
	}
	o := api.ClientOptions{Token: token}
	if n.caFile != "" || n.certFile != "" {
		secure, err := agentapi.ClientConfig{CAFile: n.caFile, CertFile: n.certFile, KeyFile: n.keyFile}.TLS()
		if err != nil {
			return nil, usageError{err}
		}
		o.HTTP = &http.Client{Transport: &http.Transport{TLSClientConfig: secure, IdleConnTimeout: time.Minute}}
	}
	c, err := api.NewClient(n.url, o)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// askNode asks the node for something and prints it.
func askNode[T any](n *nodeAsk, cmd *cobra.Command, question func(context.Context, *api.Client) (T, error), text func(io.Writer, T) error) error {
	c, err := n.client()
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := question(cmd.Context(), c)
	if err != nil {
		return advised(err)
	}
	return n.print(cmd.OutOrStdout(), answer, func(w io.Writer) error { return text(w, answer) })
}

// advised adds the flag that helps, where there is one.
func advised(err error) error {
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
		return fmt.Errorf("%w: name the CA with --ca-file", err)
	}
	if p, refused := errors.AsType[*api.Problem](err); refused && p.Status == http.StatusUnauthorized {
		p.Remedy = "name one with --token-file or ENGRAMD_TOKEN"
	}
	return err
}

// done prints that something was done, where there is nothing else to print.
func done(format string, args ...any) func(io.Writer, struct{}) error {
	return func(w io.Writer, _ struct{}) error {
		_, err := fmt.Fprintf(w, format+"\n", args...)
		return err
	}
}

// some makes a command take at least one argument.
func some(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError{fmt.Errorf("%s: want %s; see %s --help", cmd.Name(), what, cmd.CommandPath())}
		}
		return nil
	}
}

// nodeRefused tells whether the node itself said no, to all or to some of it.
func nodeRefused(err error) bool {
	_, refused := errors.AsType[*api.Problem](err)
	_, some := errors.AsType[refusedLines](err)
	return refused || some
}
