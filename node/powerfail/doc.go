// Package powerfail is a test: the whole node, its log and its bbolt bases, on a FUSE file system that keeps what was not synced apart and
// loses a random part of it at a cut of the power. The bytes are those of package disk/powercut: of bytes not synced any subset of the
// sectors arrives, of names not synced in their directory any prefix of the changes. Directories themselves are never lost.
//
// The node runs in a child process. In the process that serves the file system it could wait for itself: a fault of a mapped page
// holds the runtime's thread, and the file system needs one to answer.
package powerfail
