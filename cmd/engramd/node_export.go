package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/node/transfer"
)

func newNodeExport(o *options) *cobra.Command {
	n, f, e := &nodeAsk{options: o}, &filtering{}, &transfer.Export{}
	var progress bool
	cmd := &cobra.Command{
		Use:   "export [FILE]",
		Short: "Write memories and the edges between them, a line each",
		Long: `Export memories in the order in which they were remembered, then the edges between them, a JSON object
a line, to a file or the standard output (-). A file that ends in .gz or .zst is compressed; it is
there when all of it is, or not at all. node import takes what this writes: an export of that is the
same bytes.`,
		Example: "  engramd node export backup.ndjson.zst\n  engramd node export --tag kitchen | jq .content",
		Args:    atMost(1, "a file, or nothing"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if e.Filter, err = f.filter(time.Now()); err != nil {
				return err
			}
			e.File, e.Out, e.Space = first(args), cmd.OutOrStdout(), n.space
			if e.File == "" {
				e.File = transfer.Stdin
			}
			c, err := n.client()
			if err != nil {
				return err
			}
			defer c.Close()
			stop := showProgress(cmd.ErrOrStderr(), progress, named(e.File)+":", e.Progress)
			lines, err := e.Run(cmd.Context(), c)
			stop()
			if err != nil {
				return advised(err)
			}
			if e.File != transfer.Stdin {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d lines\n", e.File, lines)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&e.SkipDamaged, "skip-damaged", false, "leave out what is damaged; else that ends the export")
	progressFlag(cmd, &progress)
	f.flags(cmd)
	n.within(cmd)
	return cmd
}
