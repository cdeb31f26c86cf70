// Package promapi serves Prometheus' HTTP query API over any storage, so that promtool, Grafana and
// everything else that speaks it can look at what the agent sees.
//
// [New] returns a handler and starts nothing; a request holds the storage for as long as it is
// answered. Every answer is bounded: in time, in samples read, in points and series returned, and in
// how many are worked on at once.
//
// Prometheus' own web/api/v1 is not used: it brings remote write, the OpenTelemetry collector and 29 more
// modules with it, and a constructor of forty parameters. The evaluation, the data model and the encoding of
// values are Prometheus' own.
package promapi
