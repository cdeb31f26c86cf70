package systemd

import (
	"context"
	"fmt"
	"os"
	"strconv"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// A bus is what the driver asks of one systemd manager.
type bus interface {
	// About is what the manager said of itself when the connection was made.
	About() about
	// Unit returns the properties of a unit, which systemd loads if there is one.
	Unit(ctx context.Context, name string) (map[string]any, error)
	// Units lists the units that are loaded.
	Units(ctx context.Context) ([]systemd.UnitStatus, error)
	Set(ctx context.Context, name string, runtime bool, properties []systemd.Property) error
	Reload(ctx context.Context) error
	// Run starts a job, "start", "stop" or "restart", and sends its result to done.
	Run(ctx context.Context, job, name string, done chan<- string) error
	// Kill sends a signal to all processes of a unit.
	Kill(ctx context.Context, name string, signal int32) error
	ResetFailed(ctx context.Context, name string) error
	Connected() bool
	Close()
}

// about is what a manager says of itself.
type about struct {
	Version  string
	UnitPath []string // the directories of unit files, first the ones that win
	Cgroup   string   // of the manager, "" for the root
}

// A connection is a bus over D-Bus.
type connection struct {
	*systemd.Conn
	cancel context.CancelFunc
	about  about
}

// dial connects to the system's manager, or to the user's. The connection outlives ctx.
func dial(ctx context.Context, user bool) (bus, error) {
	address := systemBus()
	if user {
		address = userBus()
	}
	lifetime, cancel := context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, cancel) // while dialling only
	var calls *dbus.Conn
	conn, err := systemd.NewConnection(func() (*dbus.Conn, error) {
		c, err := greet(lifetime, address)
		if calls == nil {
			calls = c
		}
		return c, err
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	c := &connection{Conn: conn, cancel: cancel}
	if c.about, err = ask(ctx, calls); err == nil && !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func greet(ctx context.Context, address string) (*dbus.Conn, error) {
	c, err := dbus.Dial(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	// By number: a look-up of the name would need cgo.
	err = c.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))})
	if err == nil {
		err = c.Hello()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func ask(ctx context.Context, c *dbus.Conn) (about, error) {
	var a about
	manager := c.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
	for name, into := range map[string]any{"Version": &a.Version, "UnitPath": &a.UnitPath, "ControlGroup": &a.Cgroup} {
		var v dbus.Variant
		err := manager.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, "org.freedesktop.systemd1.Manager", name).Store(&v)
		if err == nil {
			err = v.Store(into)
		}
		if err != nil {
			return a, fmt.Errorf("ask systemd for its %s: %w", name, err)
		}
	}
	return a, nil
}

func systemBus() string {
	if a := os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"); a != "" {
		return a
	}
	return "unix:path=/run/dbus/system_bus_socket"
}

// userBus is the bus that the user's manager starts. The one of a desktop session may be another.
func userBus() string {
	if a := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); a != "" {
		return a
	}
	return "unix:path=" + userRuntime() + "/bus"
}

// userRuntime is the directory of the user's sockets and runtime units.
func userRuntime() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return dir
	}
	return "/run/user/" + strconv.Itoa(os.Getuid())
}

func (c *connection) About() about { return c.about }

func (c *connection) Unit(ctx context.Context, name string) (map[string]any, error) {
	return c.GetAllPropertiesContext(ctx, name)
}

func (c *connection) Units(ctx context.Context) ([]systemd.UnitStatus, error) {
	return c.ListUnitsContext(ctx)
}

func (c *connection) Set(ctx context.Context, name string, runtime bool, properties []systemd.Property) error {
	return c.SetUnitPropertiesContext(ctx, name, runtime, properties...)
}

func (c *connection) Reload(ctx context.Context) error { return c.ReloadContext(ctx) }

func (c *connection) Run(ctx context.Context, job, name string, done chan<- string) error {
	run := c.RestartUnitContext
	switch job {
	case "start":
		run = c.StartUnitContext
	case "stop":
		run = c.StopUnitContext
	}
	_, err := run(ctx, name, "replace", done)
	return err
}

func (c *connection) Kill(ctx context.Context, name string, signal int32) error {
	return c.KillUnitWithTarget(ctx, name, systemd.All, signal)
}

func (c *connection) ResetFailed(ctx context.Context, name string) error {
	return c.ResetFailedUnitContext(ctx, name)
}

func (c *connection) Close() {
	c.Conn.Close()
	c.cancel()
}
