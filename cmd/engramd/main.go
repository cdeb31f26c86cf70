// Command engramd keeps services the right size: it reads local metrics, evaluates decision matrices
// and Prometheus alert rules, and resizes its targets, live where the platform can, with validation
// and automatic rollback.
//
// Exit codes: 0 done; 1 it failed; 2 the command line or the configuration is at fault; 3 no agent
// (no node) answered; 4 the agent (the node) refused: no such thing, a conflict, no right to.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	_ "time/tzdata" // maintenance windows name time zones, and a minimal host or image has no list of them

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/docker"
	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/actuators/node"
	"github.com/engramd/engramd/actuators/systemd"
	"github.com/engramd/engramd/actuators/volume"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/config"
	nodeapi "github.com/engramd/engramd/node/api"
)

// version is set when a release is built.
var version = "dev"

func main() { os.Exit(execute(os.Args)) }

// registry lists the platforms of this build: a new one is one line.
func registry() actuators.Registry {
	return actuators.Registry{
		"docker":     docker.Platform(),
		"kubernetes": kubernetes.Platform(),
		"node":       node.Platform(),
		"systemd":    systemd.Platform(),
		"volume":     volume.Platform(),
	}
}

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitRefused     = 4
)

// execute runs one command line, the name of the program first, and returns the exit code. The first
// signal to end has it finish what is under way, the second ends it at once.
func execute(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	name := filepath.Base(args[0])
	root := newRoot()
	if name == engramServer {
		root = newEngramServer()
	}
	root.SetArgs(args[1:])
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, root.Name()+": "+err.Error())
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
	if errors.Is(err, api.ErrUnreachable) || errors.Is(err, nodeapi.ErrUnreachable) {
		return exitUnreachable
	}
	if _, ok := errors.AsType[*api.Problem](err); ok || nodeRefused(err) {
		return exitRefused
	}
	return exitFailed
}
