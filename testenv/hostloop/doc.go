// Package hostloop runs engramd against services of the host that it is on: units with the workload in them, judged by
// the kernel's files, systemd's own words and the unit's files. It is testenv/loop's counterpart for systemd, and its tests
// run inside the machine that testenv/host boots.
//
// A [Unit] belongs to one test and goes with it, with all its files. A [Gate] stands between engramd and the system bus, so
// that a test can stop engramd at one exact call without a hook in the product.
package hostloop
