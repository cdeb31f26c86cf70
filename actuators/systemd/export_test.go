package systemd

import "context"

// What tests reach of the inside.
type (
	Bus   = bus
	About = about
)

var (
	Check       = check
	Assignments = assignments
	WithLines   = withLines
	MaskIDs     = maskIDs
	IDsMask     = idsMask
	TextOf      = textOf
	Property    = property
	Fault       = fault
	Keys        = keys
)

// NewAt returns a driver of a host whose files are below root.
func NewAt(root string, fault func(op, name string) error, dial func(ctx context.Context, user bool) (Bus, error)) *Driver {
	d := New(nil)
	d.files, d.dial = files{root, fault}, dial
	return d
}

var (
	Find  = (*Driver).find
	Probe = (*Driver).probe
)
