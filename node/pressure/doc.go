// Package pressure tells how near the process is to the end of its memory, as a level: calm, high, critical, or
// unknown.
//
// What counts is memory that nobody can take back: anonymous and shared memory and the kernel's own, never the
// cache of files, because the node maps its files and the kernel drops those pages whenever it needs them. It is
// compared with every bound that applies: each control group of the process that has a limit (v1 or v2, up to
// the topmost that can be seen), and GOMEMLIMIT. The bound that is nearest to its end is the one that is told.
// Each bound is compared with what counts against it: a group's limit with the group's memory, GOMEMLIMIT with that
// of this process. Where a container holds only this process that is
//
//	(anonymous + kernel) / min(cgroup limit, GOMEMLIMIT)
//
// Without any bound the memory of the host is the bound.
//
// A [Gauge] samples, keeps the level with hysteresis, and tells everybody who subscribed. What could not be read is
// never taken for little: the level is then unknown, unless what could be read is high already.
//
// New starts nothing; Run samples until its context ends. The package only reads files, and none but those of /proc and
// /sys/fs/cgroup.
package pressure
