// Package docker resizes containers of a Docker daemon: live through an update, or by a recreate that
// keeps the old container until the change is committed.
//
// A [Driver] holds one connection a daemon, opened at the first call and idle in between; [Driver.Close]
// drops them. It keeps no state about targets: every step finds out from the daemon where things
// stand, by the container's name, by the id it had when the step was planned, and by the label
// [LabelFrom] that a recreated container carries. So any step may be repeated, and undone by a process
// that never saw it begin.
//
// The sizes of a container are encoded in three ways, and none is ever turned into another while the
// container lives: a limit that was set as NanoCPUs stays NanoCPUs, one set as a quota stays a quota,
// and what nobody set is given back as unlimited. Memory, swap and reservation always move together.
//
// Environment variables hold secrets, and steps are journalled. So no step carries a container's
// configuration: a recreate reads it from the old container when it creates the new one.
package docker
