// Command engramd keeps services the right size: it reads local metrics, evaluates decision matrices
// and Prometheus alert rules, and resizes its targets, live where the platform can, with validation
// and automatic rollback.
//
// Exit codes: 0 done; 1 it failed; 2 the command line or the configuration is at fault; 3 no agent
// answered; 4 the agent refused (no such thing, a conflict, no right to).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/docker"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/config"
)

// version is set when a release is built.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// registry lists the platforms of this build: a new one is one line.
func registry() actuators.Registry {
	return actuators.Registry{"docker": docker.Platform()}
}

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitRefused     = 4
)

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "engramd: "+err.Error())
	return codeOf(err)
}

// usageError marks a command line that makes no sense.
type usageError struct{ error }

func codeOf(err error) int {
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[config.Faults](err); ok {
		return exitUsage
	}
	if errors.Is(err, api.ErrUnreachable) {
		return exitUnreachable
	}
	if _, ok := errors.AsType[*api.Problem](err); ok {
		return exitRefused
	}
	return exitFailed
}
