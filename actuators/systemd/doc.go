// Package systemd resizes units of a systemd manager over D-Bus: live through SetUnitProperties, or by
// a restart job.
//
// A [Driver] holds one connection a manager (the system's, a user's), opened at the first call and
// dropped when it breaks; [Driver.Close] drops them all. It keeps no state about targets: every step
// finds out from systemd, and from the files on disk, where things stand. So any step may be repeated,
// and undone by a process that never saw it begin.
//
// A limit of a unit is a line in one of many files, and the one whose file name sorts last wins,
// whatever directory it is in. SetUnitProperties writes 50-NAME.conf below system.control, which an
// administrator's override.conf beats at the next daemon-reload. So all files are read first. Where
// one that sorts later sets the limit, the driver writes a drop-in of its own, [OwnDropIn], and reloads
// the manager. Either way a later daemon-reload changes nothing.
//
// An undo brings the files back to what they were, byte for byte, and lets systemd read them again:
// what nobody had set is not set then. Files of others are never touched. What the driver made is
// listed in a file of that directory, [MadeList], so that [Driver.Release] knows it from files that an
// administrator made with `systemctl set-property`.
//
// Sizes are in text as unit files have it, "150.00%" or "2-3", and "" where nothing is set.
package systemd
