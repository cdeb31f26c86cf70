package demo

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// A trigger does something once a text comes by.
type trigger struct {
	text string
	do   func() error
}

func (w *trigger) Write(b []byte) (int, error) {
	if strings.Contains(string(b), w.text) {
		if err := w.do(); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// TestRunIsLeft ends a demo while it begins: by its context, and because nobody reads any more. Nothing stays.
func TestRunIsLeft(t *testing.T) {
	for _, at := range []string{"Starting", "Importing"} {
		t.Run(at, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			leaves(t, ctx, &trigger{at, func() error { cancel(); return nil }}, ErrInterrupted)
		})
	}
	t.Run("closed pipe", func(t *testing.T) {
		leaves(t, t.Context(), &trigger{"Importing", func() error { return io.ErrClosedPipe }}, io.ErrClosedPipe)
	})
	t.Run("before it begins", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		leaves(t, ctx, io.Discard, ErrInterrupted)
	})
}

func leaves(t *testing.T, ctx context.Context, lines io.Writer, want error) {
	t.Helper()
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	if _, err := Run(ctx, Options{Registry: registry(), Lines: lines}); !errors.Is(err, want) {
		t.Errorf("it ended with %v, want %v", err, want)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("%v stay, %v", left, err)
	}
}

// TestRunWithoutPlatform holds that a build without the node's driver says so.
func TestRunWithoutPlatform(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	if _, err := Run(t.Context(), Options{Lines: io.Discard}); err == nil {
		t.Error("there is no driver, and it ran")
	}
}
