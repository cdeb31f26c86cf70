package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/api/view"
)

// options are the flags that every command has.
type options struct {
	output    string
	config    string
	addr      string
	tokenFile string
	caFile    string
	certFile  string
	keyFile   string
}

// newRoot makes the whole command line.
func newRoot() *cobra.Command {
	o := &options{}
	root := &cobra.Command{
		Use:   "engramd",
		Short: "Keep services the right size: live, watched, and with a reason for every change",
		Long: `engramd watches services in Docker containers, systemd units and Kubernetes workloads,
decides by matrices and alert rules what size they should have, changes it live where the
platform can, watches every change through a validation, and takes it back by itself when
it hurt or did not help.

Start with:  engramd init > agent.yaml;  engramd check;  engramd run`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if o.output != "table" && o.output != "json" {
				return usageError{fmt.Errorf("-o %s: want table or json", o.output)}
			}
			return nil
		},
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&o.output, "output", "o", "table", "table or json")
	flags.StringVarP(&o.config, "config", "c", "", "agent.yaml to use (default: $ENGRAMD_CONFIG, ./agent.yaml, /etc/engramd/agent.yaml, else the built-in one)")
	flags.StringVar(&o.addr, "addr", "", "the agent's address (default: $ENGRAMD_ADDR, else 127.0.0.1:9090)")
	flags.StringVar(&o.tokenFile, "token-file", "", "file with the token to send (default: the token in $ENGRAMD_TOKEN)")
	flags.StringVar(&o.caFile, "ca-file", "", "CA of the agent's certificate")
	flags.StringVar(&o.certFile, "cert-file", "", "client certificate")
	flags.StringVar(&o.keyFile, "key-file", "", "key of the client certificate")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })

	root.AddCommand(
		newRun(o), newCheck(o), newDoctor(o), newInit(o), newConfig(o),
		newStatus(o), newPlan(o), newDecisions(o), newExplain(o), newDiagnose(o),
		newApprove(o), newReject(o), newCancel(o),
		newPause(o), newResume(o), newFreeze(o), newUnfreeze(o), newRelease(o), newReload(o), newHealthcheck(o),
		newAnalyze(o), newCapacity(o), newStandby(o), newReplay(o), newCompare(o), newBenchTarget(o), newNode(o), newDemo(o), newVersion(o), newMan(root),
	)
	root.InitDefaultCompletionCmd()
	return root
}

// client connects to the agent that the flags name.
func (o *options) client() (*api.Client, error) {
	token, err := o.token()
	if err != nil {
		return nil, err
	}
	cfg := api.ClientConfig{Addr: o.addr, CAFile: o.caFile, CertFile: o.certFile, KeyFile: o.keyFile, Token: token}
	if cfg.Addr == "" {
		cfg.Addr = os.Getenv("ENGRAMD_ADDR")
	}
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:9090"
	}
	c, err := api.NewClient(cfg)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// token is the bearer token to send, "" for none.
func (o *options) token() (string, error) {
	if o.tokenFile == "" {
		return os.Getenv("ENGRAMD_TOKEN"), nil
	}
	text, err := os.ReadFile(o.tokenFile)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// print writes v as JSON, or as text for people.
func (o *options) print(w io.Writer, v any, text func(io.Writer) error) error {
	if o.output == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	return text(w)
}

// ask asks the agent for something and prints it.
func ask[T any](o *options, cmd *cobra.Command, question func(*api.Client) (T, error), text func(io.Writer, T) error) error {
	c, err := o.client()
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := question(c)
	if err != nil {
		return err
	}
	return o.print(cmd.OutOrStdout(), answer, func(w io.Writer) error { return text(w, answer) })
}

// view writes for people, as of now and in their time zone.
func (o *options) view() view.View { return view.View{Now: time.Now(), Zone: time.Local} }

// exactly makes a command take n arguments, and say what they are when it gets others.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("%s: want %s, got %d arguments; see %s --help", cmd.Name(), what, len(args), cmd.CommandPath())}
		}
		return nil
	}
}

// atMost makes a command take up to n arguments.
func atMost(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return usageError{fmt.Errorf("%s: want %s, got %d arguments; see %s --help", cmd.Name(), what, len(args), cmd.CommandPath())}
		}
		return nil
	}
}

// first returns the first argument, "" if there is none.
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
