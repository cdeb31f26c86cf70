// Command vm keeps a host VM running to try things in by hand, such as a test under development. One at a time:
//
//	go run ./testenv/host/vm up &                                   boot, and stay; Ctrl-C or down ends it
//	go run ./testenv/host/vm run systemctl status                   run a command inside, as root
//	go run ./testenv/host/vm test ./actuators/systemd TestE2ELive   build a package's tests, and run those that match inside
//	go run ./testenv/host/vm put FILE /path                         bring a file or directory in
//	go run ./testenv/host/vm down
//
// The disk is a throw-away copy: the next machine knows nothing of this one.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/engramd/engramd/testenv/host"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := command(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "vm:", err)
		code = 1
	}
	if code != 0 {
		os.Exit(code)
	}
}

func command(ctx context.Context, args []string) (int, error) {
	if len(args) == 1 && args[0] == "up" {
		return 0, up(ctx)
	}
	if len(args) == 1 && args[0] == "down" {
		r, err := find()
		if err != nil {
			return 1, err
		}
		return 0, syscall.Kill(r.PID, syscall.SIGTERM)
	}
	if len(args) < 2 {
		return 2, errors.New("usage: vm up | run COMMAND... | test PACKAGE [REGEXP] | put FILE PATH | down")
	}
	r, err := find()
	if err != nil {
		return 1, err
	}
	switch guest := (host.Guest{URL: r.URL}); {
	case args[0] == "run":
		return guest.Do(ctx, host.Command{Args: args[1:], Stdout: os.Stdout, Stderr: os.Stderr})
	case args[0] == "put" && len(args) == 3:
		return 0, guest.Put(ctx, args[1], args[2])
	case args[0] == "test":
		return test(ctx, guest, args[1], append(args[2:], "E2E")[0])
	default:
		return 2, fmt.Errorf("cannot %s: run vm alone for its usage", args[0])
	}
}

// test runs a package's tests inside, with their own output.
func test(ctx context.Context, guest host.Guest, pkg, pattern string) (int, error) {
	room, err := guest.Furnish(ctx, pkg)
	if err != nil {
		return 1, err
	}
	return guest.Do(ctx, room.Command(pattern, os.Stdout))
}

// A record tells other processes of the machine that runs.
type record struct {
	URL string
	PID int // of the process that holds it
}

func recordFile() string { return filepath.Join(os.TempDir(), "engramd-host-vm.json") }

func find() (record, error) {
	content, err := os.ReadFile(recordFile())
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, errors.New("no machine runs: start one with vm up")
	}
	var r record
	if err == nil {
		err = json.Unmarshal(content, &r)
	}
	return r, err
}

func up(ctx context.Context) error {
	if r, err := find(); err == nil && (host.Guest{URL: r.URL}).Ready(ctx) {
		return fmt.Errorf("a machine runs already, held by process %d", r.PID)
	}
	dir, err := os.MkdirTemp("", "engramd-host-vm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m, err := host.Boot(ctx, dir, host.Options{Disk: 1 << 30})
	if err != nil {
		return err
	}
	content, err := json.Marshal(record{m.URL, os.Getpid()})
	if err == nil {
		err = os.WriteFile(recordFile(), content, 0o600)
	}
	defer os.Remove(recordFile())
	if err == nil {
		fmt.Println("up:", m.URL)
		<-ctx.Done()
	}
	return errors.Join(err, m.Close())
}
