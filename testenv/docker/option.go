package docker

// An Option changes how a Daemon is started.
type Option func(*options)

type options struct {
	liveRestore   bool
	defaultBridge bool
	flags         []string
}

// LiveRestore lets containers live on while dockerd is away.
func LiveRestore() Option { return func(o *options) { o.liveRestore = true } }

// DefaultBridge gives the daemon a default bridge, for containers in the network "bridge". Without it there is none, and
// containers use the host's network or a user-defined one.
func DefaultBridge() Option { return func(o *options) { o.defaultBridge = true } }

// Flags adds flags to dockerd's command line.
func Flags(flags ...string) Option { return func(o *options) { o.flags = append(o.flags, flags...) } }
