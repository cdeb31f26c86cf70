package systemd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/engramd/engramd/actuators"
)

// fault turns an error of one call into one of the contract, with what was being done and, where the
// reader can do something about it, the remedy.
func fault(doing string, err error) error {
	if err == nil {
		return nil
	}
	wrap := func(kind error, remedy string) error {
		return fmt.Errorf("%w: %s: %w%s", kind, doing, err, remedy)
	}
	switch answered, ok := errors.AsType[dbus.Error](err); {
	case ok:
		return answer(answered, doing, wrap)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: no permission for the D-Bus socket: run engramd as root: %w", doing, err)
	case errors.Is(err, context.DeadlineExceeded):
		return wrap(actuators.ErrTransient, " (no answer from systemd in time)")
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", doing, err)
	case unreachable(err):
		return wrap(actuators.ErrTransient, " (is D-Bus running? systemctl status dbus)")
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// answer sorts what systemd, the bus or polkit answered.
func answer(err dbus.Error, doing string, wrap func(error, string) error) error {
	name := err.Name[strings.LastIndexByte(err.Name, '.')+1:]
	switch name {
	case "NoSuchUnit", "LoadFailed":
		return wrap(actuators.ErrNotFound, "")
	case "UnitMasked":
		return wrap(actuators.ErrRefused, " (systemctl unmask it first)")
	case "AccessDenied", "InteractiveAuthorizationRequired", "AuthFailed":
		return wrap(actuators.ErrRefused, " (run engramd as root, or allow org.freedesktop.systemd1.manage-units by polkit)")
	case "InvalidArgs", "PropertyReadOnly", "UnknownProperty", "OnlyByDependency", "JobTypeNotApplicable", "NotSupported", "TransactionIsDestructive":
		return wrap(actuators.ErrRefused, "")
	case "NoReply", "Disconnected", "Timeout", "TimedOut", "ServiceUnknown", "NameHasNoOwner", "LimitsExceeded", "NoServer", "ShuttingDown":
		return wrap(actuators.ErrTransient, "")
	}
	return fmt.Errorf("%s: %w (%s)", doing, err, err.Name)
}

// unreachable reports whether the bus was not there to answer, or went away while it did.
func unreachable(err error) bool {
	_, dialled := errors.AsType[*net.OpError](err)
	return dialled || errors.Is(err, dbus.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, fs.ErrNotExist)
}
