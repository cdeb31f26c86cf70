package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/config"
)

func newHealthcheck(o *options) *cobra.Command {
	var url string
	timeout := 5 * time.Second
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the engramd of this machine (or container) whether it is healthy",
		Long: `Ask whether the agent answers, at the address that the configuration gives it; where nobody
listens there, whether the memory node does. It needs no token, and is made for the health
checks of containers, which have no shell and no curl. Exit code 0 is healthy, 1 is not.`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			if url != "" {
				return healthy(ctx, cmd.OutOrStdout(), url)
			}
			agent, node := o.healthURLs()
			err := healthy(ctx, cmd.OutOrStdout(), agent)
			if errors.Is(err, syscall.ECONNREFUSED) { // an agent that hangs accepts and does not answer
				err = healthy(ctx, cmd.OutOrStdout(), node)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&url, "url", "", "ask this address instead, such as http://127.0.0.1:7432/health")
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "how long to wait for the answer")
	return cmd
}

// healthURLs are where the agent and the node of this machine answer. A configuration that was broken
// since they started says nothing about them.
func (o *options) healthURLs() (agent, node string) {
	listen, scheme := config.Listen{Agent: "127.0.0.1:9090", Node: "127.0.0.1:7432"}, "http"
	if cfg, err := o.load(); err == nil {
		listen = cfg.Listen
		if cfg.TLS.CertFile != "" {
			scheme = "https"
		}
	}
	at := func(address string) string {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return scheme + "://" + address
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		return scheme + "://" + net.JoinHostPort(host, port)
	}
	return at(cmp.Or(o.addr, listen.Agent)) + "/-/healthy", at(listen.Node) + "/health"
}

// healthy asks one address. Whose certificate it is does not matter: it is this machine, and only its
// health is asked for.
func healthy(ctx context.Context, out io.Writer, url string) error {
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usageError{fmt.Errorf("--url: %w", err)}
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("not healthy: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return fmt.Errorf("not healthy: read the answer of %s: %w", url, err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("not healthy: %s answers %s: %s", url, resp.Status, strings.TrimSpace(string(text)))
	}
	_, err = fmt.Fprintln(out, strings.TrimSpace(string(text)))
	return err
}
