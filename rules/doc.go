// Package rules evaluates plain Prometheus rule files, with Prometheus' own libraries, over whatever
// answers a query.
//
// A [File] is loaded and linted as a whole: it has no fault, or it is refused with all of them.
// [New] builds an [Evaluator] and starts nothing; [Evaluator.Run] evaluates until its context ends and
// joins every goroutine that it started. Alerts keep their state in the series ALERTS_FOR_STATE of the
// storage that the evaluator is given, so that a restart goes on with `for` where it was.
package rules
