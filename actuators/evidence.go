package actuators

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/engramd/engramd/policy"
)

// commandTimeout bounds a smoke test or a backup's command.
const commandTimeout = time.Minute

// backedUp asks for the evidence that a backup exists. What cannot be known is no evidence.
func (r *run) backedUp(ctx context.Context, b Backup) error {
	switch {
	case b.AgeExpr != "":
		age, _, known := r.read(ctx, b.AgeExpr)
		if !known {
			return fmt.Errorf("no backup is known: %s has no value", b.AgeExpr)
		}
		return young(time.Duration(max(-1e9, min(age, 1e9))*float64(time.Second)), b.MaxAge)
	case b.File != "":
		info, err := os.Stat(b.File)
		if err != nil {
			return fmt.Errorf("no backup is known: %w", err)
		}
		return young(time.Since(info.ModTime()), b.MaxAge)
	case len(b.Command) > 0:
		if err := command(ctx, b.Command); err != nil {
			return fmt.Errorf("no backup is known: %w", err)
		}
		return nil
	}
	return errors.New("no backup is known: backup names no source")
}

func young(age, most time.Duration) error {
	if age < 0 {
		return fmt.Errorf("the newest backup seems to be from the future (%s): check the clocks", policy.FormatDuration(age.Round(time.Second)))
	}
	if age > most {
		return fmt.Errorf("the newest backup is %s old, and %s is allowed: make one first", policy.FormatDuration(age.Round(time.Second)), policy.FormatDuration(most))
	}
	return nil
}

// command runs a command, bounded in time; the error carries the start of what it wrote.
func command(ctx context.Context, argv []string) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = time.Second // a child that keeps the pipe open must not hold us
	out := &head{max: 512}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("no end within %s", policy.FormatDuration(commandTimeout))
		}
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(out.kept))
	}
	return nil
}

// head keeps the first bytes of what is written, and swallows the rest.
type head struct {
	kept []byte
	max  int
}

func (h *head) Write(b []byte) (int, error) {
	h.kept = append(h.kept, b[:min(len(b), h.max-len(h.kept))]...)
	return len(b), nil
}

// smoke runs the tests that follow a restart.
func (r *run) smoke(ctx context.Context) error {
	for _, s := range r.a.Procedure.Smoke {
		var err error
		if s.Request != nil {
			r.step("smoke", s.Request.Method+" "+s.Request.URL)
			_, err = r.x.expect(ctx, *s.Request, nil)
		} else {
			r.step("smoke", strings.Join(s.Command, " "))
			err = command(ctx, s.Command)
		}
		if err != nil {
			return fmt.Errorf("smoke test: %w", err)
		}
	}
	return nil
}
