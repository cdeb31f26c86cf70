package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/engramd/engramd/actuators"
)

// fault turns an error of one request into one of the contract, with what was being done and, where
// the reader can do something about it, the remedy.
func fault(doing string, err error) error {
	if err == nil {
		return nil
	}
	wrap := func(kind error, remedy string) error {
		return fmt.Errorf("%w: %s: %w%s", kind, doing, err, remedy)
	}
	text := err.Error()
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", doing, err)
	case errors.Is(err, context.DeadlineExceeded):
		return wrap(actuators.ErrTransient, " (no answer from the API server in time)")
	case apierrors.IsForbidden(err) && strings.Contains(text, "exceeded quota"):
		return wrap(actuators.ErrRefused, " (raise the ResourceQuota, or give the target a lower max)")
	case lacksRight(err):
		return wrap(actuators.ErrRefused, " (grant engramd that right: see deploy/kubernetes, and engramd doctor)")
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err),
		apierrors.IsMethodNotSupported(err), apierrors.IsRequestEntityTooLargeError(err), apierrors.IsUnsupportedMediaType(err):
		return wrap(actuators.ErrRefused, "")
	case apierrors.IsUnauthorized(err):
		return wrap(actuators.ErrTransient, " (are the credentials still good?)")
	case apierrors.IsNotFound(err):
		return wrap(actuators.ErrNotFound, "")
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsTooManyRequests(err),
		apierrors.IsServerTimeout(err), apierrors.IsTimeout(err), apierrors.IsServiceUnavailable(err),
		apierrors.IsInternalError(err), apierrors.IsUnexpectedServerError(err), apierrors.IsGone(err),
		apierrors.IsResourceExpired(err), serverFault(err):
		return wrap(actuators.ErrTransient, "")
	case strings.Contains(text, "client rate limiter Wait"): // the client has no type for it
		return wrap(actuators.ErrTransient, " (engramd itself sends more requests than it allows itself)")
	case strings.Contains(text, "x509: certificate has expired or is not yet valid"):
		return wrap(actuators.ErrTransient, " (is the clock right, here and there?)")
	case unreachable(err):
		return wrap(actuators.ErrTransient, " (is the API server up, and can it be reached from here?)")
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// lacksRight reports a request that we have no right to make, where a quota or another bound says
// forbidden too.
func lacksRight(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot ")
}

// serverFault reports any other answer of the 500s, such as a proxy gives.
func serverFault(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	return ok && status.ErrStatus.Code >= 500
}

// unreachable reports whether the API server was not there to answer, or went away while it did.
func unreachable(err error) bool {
	_, isURL := errors.AsType[*url.Error](err)
	_, isNet := errors.AsType[net.Error](err)
	return isURL || isNet || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// tries is how often a change is made to something that others write all the time: the kubelet writes
// the status of pods, the controllers that of workloads.
const tries = 5

// again repeats f, which must begin with reading, while somebody else was faster.
func again(f func() error) error {
	for n := 1; ; n++ {
		if err := f(); n == tries || !apierrors.IsConflict(err) {
			return err
		}
	}
}
