package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/agent/nodehost"
	"github.com/engramd/engramd/policy"
)

// engramServer is the other name of node serve: of the program, too.
const engramServer = "engram-server"

// A service is what node serve is told.
type service struct {
	access      api.Config
	dataDir     string
	config      string
	hotTierSize string
	numaAware   bool
	log         config.Log
}

func newNodeServe() *cobra.Command {
	s := &service{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a memory node alone; also as engram-server",
		Long: `Run a memory node until SIGINT or SIGTERM: requests under way then get some seconds to finish;
a second signal ends it at once, and nothing that was acknowledged is lost either way.

The options of --config are those of agent.yaml's section node, at the top of a file of their own:
storage.tier_policy, storage.wal, storage.snapshots, threading, numa, hot_tier_size, vector_dim.
Flags go before it.

Go's memory limit (GOMEMLIMIT) is set to 80% of the limit of the control group, unless the
environment sets it. Beyond loopback it needs --token-file, --client-ca-file or --insecure
(ENGRAMD_INSECURE=1): whoever reaches the port could otherwise read and delete everything.`,
		Example: "  engramd node serve --data-dir /var/lib/engram\n  engram-server --hot-tier-size=16GB --numa-aware=true --config engram.yaml",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := s.node(cmd)
			if err != nil {
				return err
			}
			return s.serve(cmd.Context(), cmd.OutOrStdout(), n)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&s.dataDir, "data-dir", "./.engramd/node", "directory of the data; made if it is not there")
	flags.StringVar(&s.access.Addr, "listen", "127.0.0.1:7432", "where to answer, as host:port or unix:///path")
	flags.StringVarP(&s.config, "config", "c", "", "engram.yaml to use")
	flags.StringVar(&s.hotTierSize, "hot-tier-size", "auto", "heap for copies of hot memories, as 16GB or 512Mi; auto is a quarter of what the process may use")
	flags.BoolVar(&s.numaAware, "numa-aware", false, "take memory from nodes near the cores in use (default: above 32 GB and two nodes)")
	flags.StringVar(&s.access.TokenFile, "token-file", os.Getenv("ENGRAMD_TOKEN_FILE"), "file with the tokens that are let in, one a line as name:role:token")
	flags.StringVar(&s.access.CertFile, "cert-file", "", "certificate to serve TLS with")
	flags.StringVar(&s.access.KeyFile, "key-file", "", "key of the certificate")
	flags.StringVar(&s.access.ClientCAFile, "client-ca-file", "", "CAs whose client certificates are let in")
	flags.BoolVar(&s.access.Insecure, "insecure", os.Getenv("ENGRAMD_INSECURE") == "1", "let in everybody, beyond loopback too")
	flags.StringVar(&s.log.Level, "log-level", "info", "debug, info, warn or error")
	flags.StringVar(&s.log.Format, "log-format", "text", "text or json")
	return cmd
}

// newEngramServer is node serve as a program of its own.
func newEngramServer() *cobra.Command {
	cmd := newNodeServe()
	cmd.Use, cmd.Short = engramServer, "Run a memory node (engramd node serve under another name)"
	cmd.Version = version
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	return cmd
}

// node is the configuration with what the flags say.
func (s *service) node(cmd *cobra.Command) (config.Node, error) {
	n, err := config.ParseNode("", nil)
	if s.config != "" {
		n, err = config.LoadNode(s.config)
	}
	if err != nil {
		return n, usageError{err}
	}
	if cmd.Flags().Changed("hot-tier-size") {
		n.HotTierSize = s.hotTierSize
		if _, err := policy.ParseQuantity(policy.Memory, s.hotTierSize); err != nil && s.hotTierSize != "auto" {
			return n, usageError{fmt.Errorf("--hot-tier-size %s: want bytes such as 512Mi or 16GB, or auto", s.hotTierSize)}
		}
	}
	if cmd.Flags().Changed("numa-aware") {
		n.NUMA.Aware = &s.numaAware
	}
	return n, nil
}

func (s *service) serve(ctx context.Context, out io.Writer, n config.Node) error {
	log, err := newLogger(s.log)
	if err != nil {
		return usageError{err}
	}
	memory, err := nodehost.Prepare(n, log)
	if err != nil {
		return err
	}
	h, err := nodehost.Open(nodehost.Options{Node: n, DataDir: s.dataDir, Access: s.access, ListenKey: "--listen", Memory: memory, Log: log})
	if errors.Is(err, api.ErrExposed) {
		return usageError{fmt.Errorf("--listen %s: anybody on other machines could read and delete everything: add --token-file or --client-ca-file, listen on 127.0.0.1, or say --insecure", s.access.Addr)}
	}
	if err != nil {
		return err
	}
	memories, spaces := 0, h.Node().Stats().Spaces
	for _, one := range spaces {
		memories += one.Memories
	}
	fmt.Fprintf(out, "engramd node %s serves %s, data in %s: memories %d, spaces %d\n", version, h.URL(), s.dataDir, memories, len(spaces))
	return errors.Join(h.Run(ctx), h.Close())
}
