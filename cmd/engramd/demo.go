package main

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/demo"
	"github.com/engramd/engramd/demo/show"
)

func newDemo(o *options) *cobra.Command {
	var plain, explain bool
	var dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: a node, a load and the agent, for about a minute",
		Long: `Start a memory node and an agent in this process, on ports of their own on
127.0.0.1, and drive the node through calm, rising, spiking and pathological load.
The agent decides, acts and validates as it always does, only faster: one change
helps and is committed, the tiers are rebalanced, and one change helps nobody and
is taken back, with a diagnosis. Nothing else needs to be installed, and nothing
outside of this process and one directory is touched.

On a terminal it draws a live view (q or Ctrl-C leaves); elsewhere, and with
--plain, it writes a line for everything that happens. At the end it tells the
ids to explain; the journal that engramd explain --data-dir reads stays in a new
directory among the temporary files, or in --data-dir. What a demo that was killed
left among the temporary files, the next one removes.

Exit code 0 only if all of it happened; otherwise 1, and it says what did not.`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd, o, demo.Options{Registry: registry(), Version: version, DataDir: dir}, plain, explain)
		},
	}
	cmd.Flags().BoolVar(&plain, "plain", false, "lines instead of a live view")
	cmd.Flags().BoolVar(&explain, "explain", false, "explain every change in full at the end")
	cmd.Flags().StringVar(&dir, "data-dir", "", "a new or empty directory for the demo's data (default: a new one among the temporary files)")
	return cmd
}

func runDemo(cmd *cobra.Command, o *options, opts demo.Options, plain, explain bool) error {
	opts.Lines = cmd.OutOrStdout()
	switch {
	case o.output == "json":
		opts.Lines = cmd.ErrOrStderr()
	case !plain && show.Live(os.Stdin, os.Stdout, os.Getenv("TERM")):
		opts.Terminal = &show.Terminal{In: os.Stdin, Out: os.Stdout, Look: show.LookOf(os.Getenv), Environ: os.Environ()}
	}
	signal.Ignore(syscall.SIGPIPE) // who reads no more ends it as well, and it tidies up
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP)
	defer stop()
	sum, err := demo.Run(ctx, opts)
	if err != nil && !errors.Is(err, demo.ErrIncomplete) {
		return err
	}
	printed := o.print(cmd.OutOrStdout(), sum, func(w io.Writer) error { return sum.Text(w, explain, o.view()) })
	return errors.Join(err, printed)
}
