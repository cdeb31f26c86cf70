package transfer

import (
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/engramd/engramd/node/api"
)

// reachable tells whether an error means that the node was not reached, or went away in the middle: it may come back.
func reachable(err error) bool {
	for _, gone := range []error{api.ErrUnreachable, io.ErrUnexpectedEOF, io.EOF, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNREFUSED} {
		if errors.Is(err, gone) {
			return true
		}
	}
	_, broken := errors.AsType[*net.OpError](err)
	return broken
}
