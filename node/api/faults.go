package api

import (
	"context"
	"errors"
	"math"
	"net/http"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/threads"
)

// The kinds of problems that are not errors of the node.
const (
	kindInvalid   = "invalid"
	kindMalformed = "malformed"
	kindTimeout   = "timeout"
	kindStopping  = "stopping"
	kindInternal  = "internal"
)

// A fault says what the API makes of an error of the node.
type fault struct {
	err        error
	kind       string
	status     int
	retryAfter int // seconds; 0: not soon
}

// faults are looked through in order: the more special come first.
var faults = []fault{
	{node.ErrReplaced, "space-replaced", http.StatusServiceUnavailable, 1}, // and an ErrNoSpace
	{node.ErrNoSpace, "no-space", http.StatusNotFound, 0},
	{node.ErrNoSnapshot, "no-snapshot", http.StatusNotFound, 0},
	{node.ErrNotFound, "no-memory", http.StatusNotFound, 0},
	{node.ErrConflict, "conflict", http.StatusConflict, 0},
	{node.ErrSpaceExists, "space-exists", http.StatusConflict, 0},
	{node.ErrSnapshotInUse, "snapshot-in-use", http.StatusConflict, 1},
	{node.ErrSnapshotTaken, "snapshot-taken", http.StatusConflict, 0},
	{node.ErrSnapshotDamaged, "snapshot-damaged", http.StatusConflict, 0},
	{node.ErrOwned, "owned", http.StatusConflict, 0},
	{node.ErrVersion, "version", http.StatusPreconditionFailed, 0},
	{node.ErrMaintenance, "maintenance", http.StatusServiceUnavailable, 5},
	{node.ErrBusy, "busy", http.StatusServiceUnavailable, 1},
	{node.ErrQueueFull, "queue-full", http.StatusServiceUnavailable, 1},
	{threads.ErrClosed, "closed", http.StatusServiceUnavailable, 5},
	{node.ErrReadOnly, "read-only", http.StatusServiceUnavailable, 60},
	{node.ErrClosed, "closed", http.StatusServiceUnavailable, 5},
	{node.ErrMemory, "memory", http.StatusInsufficientStorage, 0},
	{node.ErrFull, "full", http.StatusInsufficientStorage, 0},
	{node.ErrDamaged, "damaged", http.StatusInternalServerError, 0},
	{node.ErrCorrupt, "corrupt", http.StatusInternalServerError, 0},
	{node.ErrPolicy, "policy", http.StatusBadRequest, 0},
	{node.ErrInvalid, kindInvalid, http.StatusBadRequest, 0},
	{context.DeadlineExceeded, kindTimeout, http.StatusServiceUnavailable, 1},
	{context.Canceled, kindStopping, http.StatusServiceUnavailable, 1},
}

// problemOf returns what the API says of err, and whether it is a fault of the node's own that belongs into the log.
func problemOf(err error) (p *Problem, ours bool) {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p, p.Status == http.StatusInternalServerError
	}
	if errors.As(err, new(*http.MaxBytesError)) {
		return problem(http.StatusRequestEntityTooLarge, "too-large", "%v", err), false
	}
	for _, f := range faults {
		if errors.Is(err, f.err) {
			p := problem(f.status, f.kind, "%v", err)
			p.RetryAfterSeconds = f.retryAfter
			p.say(f.err, err)
			return p, f.status == http.StatusInternalServerError
		}
	}
	return problem(http.StatusInternalServerError, kindInternal, "%v", err), true
}

// say adds what an error of this fault knows besides.
func (p *Problem) say(fault, err error) {
	switch fault {
	case node.ErrInvalid:
		if wrong, ok := errors.AsType[*record.InvalidError](err); ok {
			p.Fields = []Field{{wrong.Field, wrong.Reason}}
		}
	case node.ErrMaintenance:
		if m, ok := errors.AsType[*node.MaintenanceError](err); ok {
			p.RetryAfterSeconds = int(math.Ceil(m.RetryAfter.Seconds()))
		}
	case context.DeadlineExceeded:
		p.Detail = "the time for this request is over; a write may still happen"
		p.Remedy = "ask again (a write of the same id and content is done once), or give it more with ?timeout="
	case context.Canceled:
		p.Detail = "the node is stopping, or the client went away; a write may still happen"
	}
}
