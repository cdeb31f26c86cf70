// Package node looks after a memory node through its admin API: the one that runs inside this agent and any other alike.
//
// What it changes is the node's own: workers and their cores, GOMAXPROCS, the memory limit of Go, the bytes of the hot tier, the
// thresholds of eviction, how long the log is kept; and what it has the node do: evict, compact, archive and prune. All of it is live. It lasts
// until the node is restarted, which goes back to its configuration.
//
// # Order of changes
//
// A step is one request with the values that are to hold, and with those that held before for its undo. Doing either twice is doing it
// once. A node that is away, or answers late, is asked again; it may have done what was asked.
//
// # One owner of the tiers
//
// A node sweeps its tiers by itself. While the agent looks after them ([Driver.Own]) it does not, and keeps only bytes and critical
// pressure. The ownership ends some time after the agent said it last, and what it had set for the tiers with it: a node whose agent is gone
// is a node without one.
//
// # Certificates
//
// A node with TLS is known by the CAs of the system, or by ca_file alone, and by its name. Certificates that were renewed are read again;
// while they are being replaced the ones before hold.
//
// # Ownership
//
// A [Driver] keeps connections and nothing else. It starts no goroutine of its own; Close drops what is idle.
package node
