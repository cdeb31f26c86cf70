package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/transfer"
)

// An importing is what node import is told.
type importing struct {
	*nodeAsk
	from           int
	resume, strict bool
	patience       time.Duration
	progress       bool
}

func newNodeImport(o *options) *cobra.Command {
	i := &importing{nodeAsk: &nodeAsk{options: o}}
	cmd := &cobra.Command{
		Use:   "import [FILE...]",
		Short: "Bring memories and edges into a node, a line each",
		Long: `Import memories and edges, a JSON object a line, from files or the standard input (-): memories first,
then the edges between them, as node export writes them. Files that end in .gz and .zst are unpacked.

  {"id": "kettle", "content": "is in the left cupboard", "tags": ["kitchen"]}
  {"from": "kettle", "to": "tea", "weight": 0.8}

Every line that was told is durable. A line that is there already, with the same content, is no
fault, so importing again does no harm. A line that is refused is told on standard error and the
others go on, unless --strict. While the node is busy, in maintenance mode or restarting, a file
waits for it (--patience). After a failure the message says with which line to go on (--from), and
a file remembers it beside itself, in FILE.resume (--resume).

Exit code 4 also if lines were refused.`,
		Example: "  engramd node import memories.ndjson.zst\n  zcat dump.gz | engramd node import --space work -\n  engramd node import --resume big.ndjson",
		RunE:    func(cmd *cobra.Command, files []string) error { return i.run(cmd, files) },
	}
	flags := cmd.Flags()
	flags.IntVar(&i.from, "from", 1, "number of the first line to send; those before are read over")
	flags.BoolVar(&i.resume, "resume", false, "go on where FILE.resume says that an import was cut off")
	flags.BoolVar(&i.strict, "strict", false, "the first bad line ends it")
	flags.DurationVar(&i.patience, "patience", time.Minute, "how long to wait, without any line getting through, for a node that is busy or away")
	progressFlag(cmd, &i.progress)
	i.within(cmd)
	return cmd
}

func (i *importing) run(cmd *cobra.Command, files []string) error {
	if len(files) == 0 {
		files = []string{transfer.Stdin}
	}
	if i.from < 1 || i.from > 1 && len(files) > 1 {
		return usageError{errors.New("--from: want the number of a line, 1 or more, of one file")}
	}
	c, err := i.client()
	if err != nil {
		return err
	}
	defer c.Close()
	var all transfer.Report
	for _, file := range files {
		report, err := i.one(cmd, c, file)
		all.Memories, all.Same, all.Edges, all.Failed = all.Memories+report.Memories, all.Same+report.Same, all.Edges+report.Edges, all.Failed+report.Failed
		all.Through, all.Noted, all.Uncounted = report.Through, report.Noted, all.Uncounted+report.Uncounted
		if err != nil {
			return i.cutOff(file, report, advised(err))
		}
	}
	err = i.print(cmd.OutOrStdout(), all, func(w io.Writer) error {
		text := fmt.Sprintf("memories: %d new, %d there already; edges: %d; refused: %d", all.Memories, all.Same, all.Edges, all.Failed)
		if all.Uncounted > 0 {
			text += fmt.Sprintf("; before the node went away: %d lines", all.Uncounted)
		}
		_, err := fmt.Fprintln(w, text)
		return err
	})
	if err == nil && all.Failed > 0 {
		err = refusedLines{all.Failed}
	}
	return err
}

// one imports one file.
func (i *importing) one(cmd *cobra.Command, c *api.Client, file string) (transfer.Report, error) {
	stderr := cmd.ErrOrStderr()
	in := &transfer.Import{
		File: file, In: cmd.InOrStdin(), Space: i.space, From: i.from, Resume: i.resume, Strict: i.strict, Patience: i.patience,
	}
	told := 0
	in.Bad = func(line int, err error) {
		if told++; told <= badLines {
			fmt.Fprintf(stderr, "%s:%d: %v\n", named(file), line, err)
		} else if told == badLines+1 {
			fmt.Fprintf(stderr, "%s: more lines are refused\n", named(file))
		}
	}
	defer showProgress(stderr, i.progress, named(file)+":", in.Progress)()
	return in.Run(cmd.Context(), c)
}

// badLines is how many refused lines of a file are shown.
const badLines = 20

// cutOff says with which line to go on.
func (i *importing) cutOff(file string, r transfer.Report, err error) error {
	if errors.Is(err, context.Canceled) {
		err = fmt.Errorf("interrupted (%w)", err)
	}
	if errors.Is(err, os.ErrNotExist) && r.Through == 0 {
		return err
	}
	next := fmt.Sprintf("--from %d", r.Through+1)
	if r.Noted {
		next += ", or --resume"
	}
	return fmt.Errorf("%s: %d lines are done; go on with %s: %w", named(file), r.Through, next, err)
}

// named is what messages call a file.
func named(file string) string {
	if file == transfer.Stdin {
		return "standard input"
	}
	return file
}

// refusedLines says that not everything was taken.
type refusedLines struct{ lines int }

func (r refusedLines) Error() string { return fmt.Sprintf("%d lines were refused; see above", r.lines) }
