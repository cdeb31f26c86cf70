package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/engramd/engramd/node"
)

// benchRestart measures how long it takes from the start of a process to its first answer: after a clean end, and after one that was
// killed while its memtable was full.
func benchRestart(ctx context.Context, j *job) error {
	if err := j.open(ctx, "clean", below(2)); err != nil {
		return err
	}
	if len(j.Self) == 0 {
		return errors.New("what is killed has to be a process of its own (Self), and there is none")
	}
	if err := j.killFull(ctx); err != nil {
		return err
	}
	return j.open(ctx, "killed", below(10))
}

func (j *job) open(ctx context.Context, name string, bound Bound) error {
	if j.Memories > 1_000_000 {
		bound = Bound{}
	}
	o := &job{Options: j.Options, Bench: "open", Memories: j.Memories, Began: time.Now()}
	o.print = func(r Result) error { return j.row(name, r.Value, r.Unit, bound) }
	return o.start(ctx)
}

// openMemories is a process that answers once, and says how long after its start that was.
func openMemories(ctx context.Context, j *job) error {
	n, err := node.Open(j.nodeOptions())
	if err != nil {
		return err
	}
	id := j.generator(j.Memories).ID(j.Memories / 2)
	if _, err := n.Get(ctx, node.DefaultSpace, id); err != nil {
		return errors.Join(err, n.Close())
	}
	if _, err := n.Spread(ctx, node.DefaultSpace, []node.Seed{{ID: id, Activation: 1}}, j.everywhere()); err != nil {
		return errors.Join(err, n.Close())
	}
	return errors.Join(j.print(Result{Name: "open", Value: time.Since(j.Began).Seconds(), Unit: "s"}), n.Close())
}

// killFull lets a process fill its memtable, and kills it.
func (j *job) killFull(ctx context.Context) error {
	f := &job{Options: j.Options, Bench: "fill", Memories: j.Memories}
	cmd, err := f.command(ctx)
	if err != nil {
		return err
	}
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var full Result // the row that it prints when it is full
	err = json.NewDecoder(out).Decode(&full)
	killed := errors.Join(cmd.Process.Kill(), wait(cmd))
	if err != nil {
		return fmt.Errorf("the process that fills its memtable: %w: %s", err, said.String())
	}
	return errors.Join(killed, j.row("killed_memtable", full.Value/(1<<20), "MiB", Bound{}))
}

// wait waits for a process that was killed.
func wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return nil
	}
	return fmt.Errorf("a process was killed and ended otherwise: %w", err)
}

// fillMemtable writes until the memtable is at its bound, says so, and waits to be killed.
func fillMemtable(ctx context.Context, j *job) error {
	o := j.nodeOptions()
	o.Store.CheckpointBytes, o.Store.CheckpointEvery, o.Store.BusyWait = math.MaxInt64, 1000*time.Hour, time.Millisecond
	if j.Memories < 100_000 {
		o.Store.MemtableBytes = int64(j.Memories) * 200
	}
	return with(ctx, o, func(r *running) error {
		for {
			ms := make([]node.Memory, 500)
			for i := range ms {
				ms[i] = node.Memory{Content: strings.Repeat("x", j.ContentBytes), Confidence: 1}
			}
			err := rememberAll(ctx, r, ms)
			if errors.Is(err, node.ErrBusy) {
				break
			}
			if err != nil {
				return err
			}
		}
		if err := j.row("full", float64(r.Store().Stats().MemtableBytes), "bytes", Bound{}); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, os.Stdin) // nobody writes to it
		<-ctx.Done()
		return err
	})
}
