// Package events tells the world what the agent does: as log lines, as JSON lines in data_dir, as
// alerts to an Alertmanager and as CloudEvents to a webhook; and it holds the agent's own metrics.
//
// [Sink.Emit] puts an event into a bounded queue for each receiver and returns at once. What does not
// fit is dropped and counted, so that a receiver which hangs, fails or answers without end costs its
// own events and nothing else. A receiver that fails is logged when it begins to and when it is well
// again, not for each event.
//
// A [Sink] starts nothing before [Sink.Run]; events emitted before wait in the queues. When Run's
// context ends, it delivers what is queued within a bound and joins everything it started.
//
// Events hold sentences, sizes and names; nobody may put a secret into one. Headers with secrets come
// from files, are read for each delivery, and are never logged.
package events
