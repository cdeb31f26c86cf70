// Package api is the agent's HTTP API and its client.
//
// Everything of ours is below /engramd/v1/, as JSON; errors are problem documents (RFC 9457) with the
// remedy as an extension. It is a tree of its own beside Prometheus' /api/v1/, so that a proxy which
// lets a dashboard at the query API does not let it at the switches. Beside them the server mounts
// what it is given: Prometheus' query API, /metrics, the console.
//
// What is shown and done is [Backend]'s, which package agent implements; this package turns requests
// into its calls, and decides who may make them (see [Access]). Package view below it writes the
// same structs as text for people.
//
// A [Server] starts nothing before [Server.Run], and Run joins everything it started.
package api
