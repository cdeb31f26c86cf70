package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A job is one bench at one size. As JSON it goes to a process of its own.
type job struct {
	Options
	Bench     string
	Memories  int
	GraphOnly bool      // a graph without a node
	Began     time.Time // when the process was started, where that matters

	print func(Result) error
}

// MarshalJSON leaves out what a process cannot hand to another.
func (j *job) MarshalJSON() ([]byte, error) {
	type plain job
	p := plain(*j)
	p.Logger = nil
	return json.Marshal(p)
}

// row prints a result of the job, named after its bench and its size.
func (j *job) row(what string, value float64, unit string, bound Bound) error {
	return j.print(Result{Name: j.name(what), Value: value, Unit: unit, Bound: bound})
}

// rows prints results whose names are those of what was measured.
func (j *job) rows(rs ...Result) error {
	for _, r := range rs {
		r.Name = j.name(r.Name)
		if err := j.print(r); err != nil {
			return err
		}
	}
	return nil
}

// ratio prints how something compares with something else of the same run.
func (j *job) ratio(what string, value float64, to string, bound Bound) error {
	return j.print(Result{Name: j.name(what), Value: value, Unit: "ratio", Bound: bound, RatioTo: to})
}

func (j *job) name(what string) string {
	if b, ok := j.find(); ok && b.sizes {
		return fmt.Sprintf("%s/%d/%s", j.Bench, j.Memories, what)
	}
	return j.Bench + "/" + what
}

func (j *job) find() (bench, bool) {
	all := slices.Concat(benches(), helpers())
	i := slices.IndexFunc(all, func(b bench) bool { return b.name == j.Bench })
	if i < 0 {
		return bench{}, false
	}
	return all[i], true
}

// start runs the job in a process of its own, or here if there is no way to start one.
func (j *job) start(ctx context.Context) error {
	if len(j.Self) == 0 {
		return j.work(ctx)
	}
	cmd, err := j.command(ctx)
	if err != nil {
		return err
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var errs []error
	for dec := json.NewDecoder(out); ; {
		var r Result
		if err := dec.Decode(&r); err != nil {
			break // the end, or a process that died: Wait tells
		}
		errs = append(errs, j.print(r))
	}
	if err := cmd.Wait(); err != nil {
		errs = append(errs, fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String())))
	}
	return errors.Join(errs...)
}

// command is the process of its own.
func (j *job) command(ctx context.Context) (*exec.Cmd, error) {
	arg, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	args := append(slices.Clone(j.Self), string(arg))
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GOMEMLIMIT=") })
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it must not measure on for nobody
	return cmd, nil
}

// work does the job here.
func (j *job) work(ctx context.Context) error {
	b, ok := j.find()
	if !ok {
		return fmt.Errorf("there is no bench %q", j.Bench)
	}
	return b.run(ctx, j)
}

// Work does one job that another process of this program started by [Options].Self.
func Work(ctx context.Context, text string, p Printer) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	j.Options = j.Options.withDefaults()
	j.print = p.Print
	return errors.Join(j.work(ctx), p.Flush())
}
