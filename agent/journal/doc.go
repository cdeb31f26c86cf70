// Package journal keeps what the agent must not forget: actions on their way, decisions, ledgers,
// freezes, pauses and the sizes that targets had before us.
//
// It is one bbolt file in data_dir. Every Put returns once the record is on disk; a Put that fails (a
// full disk) leaves the record before it as it was, and the next one works when there is room again. Of decisions, those that only repeat one are written
// within a minute: a crash forgets how often they did, at most that long.
//
// A record is one line of text: the version of its form, a checksum over bucket, key and body, and
// the body as JSON. A record that does not match its checksum is reported with its key, set aside and
// left out; it never keeps the agent from starting. A record of a newer version does: going on
// without it could mean to act on a target that a newer engramd is changing.
//
// A [Journal] belongs to one process, which bbolt's lock on the file ensures; its methods may be
// called concurrently. [Open] starts nothing, [Journal.Close] ends everything.
package journal
