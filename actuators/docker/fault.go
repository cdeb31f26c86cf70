package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"

	cerrdefs "github.com/containerd/errdefs"

	"github.com/engramd/engramd/actuators"
)

// errTooLarge is what an endless answer ends in.
var errTooLarge = errors.New("the answer is larger than any that Docker gives: is this a Docker daemon?")

// fault turns an error of one call into one of the contract, with what was being done and, where the
// reader can do something about it, the remedy.
func (d *daemon) fault(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	wrap := func(kind error, remedy string) error {
		return fmt.Errorf("%w: %s: %w%s", kind, doing, err, remedy)
	}
	text := strings.ToLower(err.Error())
	var netErr net.Error
	switch {
	case errors.Is(err, errTooLarge):
		return fmt.Errorf("%s at %s: %w", doing, d.host, err)
	case errors.Is(err, fs.ErrPermission) || strings.Contains(text, "permission denied while trying to connect"):
		return fmt.Errorf("%s: no permission for the Docker socket %s: run engramd as root or as a member of the group docker: %w", doing, d.host, err)
	case strings.Contains(text, "client version") && strings.Contains(text, "api version"):
		d.renegotiate() // the daemon was replaced by one of another version
		return wrap(actuators.ErrTransient, "")
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netErr) && netErr.Timeout():
		return wrap(actuators.ErrTransient, fmt.Sprintf(" (no answer from %s in time: is dockerd well?)", d.host))
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", doing, err)
	case unreachable(err):
		return wrap(actuators.ErrTransient, fmt.Sprintf(" (is dockerd running, and is %s its address?)", d.host))
	case cerrdefs.IsUnavailable(err) || cerrdefs.IsResourceExhausted(err):
		return wrap(actuators.ErrTransient, "")
	case busyMemory(text):
		return wrap(actuators.ErrRefused, "")
	case cerrdefs.IsNotFound(err):
		return wrap(actuators.ErrNotFound, "")
	case cerrdefs.IsPermissionDenied(err):
		return wrap(actuators.ErrRefused, " (a plugin or a socket proxy does not allow it)")
	case cerrdefs.IsInvalidArgument(err):
		return wrap(actuators.ErrRefused, "")
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// unreachable reports whether the daemon was not there to answer, or went away while it did.
func unreachable(err error) bool {
	var op *net.OpError
	var status statusError
	if errors.As(err, &status) {
		return false
	}
	text := err.Error()
	return errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		strings.Contains(text, "failed to connect to the docker API") ||
		strings.Contains(text, "Cannot connect to the Docker daemon") ||
		strings.Contains(text, "error during connect")
}

// busyMemory recognises the kernel's EBUSY for a limit below what is in use (cgroup v1), as the
// different versions of runc put it.
func busyMemory(text string) bool {
	return strings.Contains(text, "unable to set memory limit") ||
		strings.Contains(text, "memory.limit_in_bytes") && strings.Contains(text, "busy") ||
		strings.Contains(text, "memory.memsw.limit_in_bytes") && strings.Contains(text, "busy")
}

// A statusError is an error that the daemon itself answered.
type statusError struct {
	status  int
	message string
}

func (e statusError) Error() string {
	return fmt.Sprintf("the daemon answered %d: %s", e.status, e.message)
}

// Is sorts a status as the client sorts those of its own calls.
func (e statusError) Is(target error) bool {
	switch {
	case e.status == 404:
		return target == cerrdefs.ErrNotFound
	case e.status == 403 || e.status == 401:
		return target == cerrdefs.ErrPermissionDenied
	case e.status == 409:
		return target == cerrdefs.ErrConflict
	case e.status == 429 || e.status == 502 || e.status == 503 || e.status == 504:
		return target == cerrdefs.ErrUnavailable
	case e.status >= 400 && e.status < 500:
		return target == cerrdefs.ErrInvalidArgument
	}
	return target == cerrdefs.ErrInternal
}
