// Package api is the HTTP API of the memory node, and its client.
//
// Everything is below /api/v1/, as JSON; beside it are /health, /metrics and /openapi.json. Errors are problem documents
// (RFC 9457): type says which, detail and fields what is wrong, remedy what to do. What is not understood is refused: unknown
// fields and parameters, duplicate names, what follows the body, text that is not UTF-8.
//
// [API] is an http.Handler over a [node.Node]: it turns requests into calls, and errors into statuses (see faults). One table,
// routes, says what there is; the handlers, the document at /openapi.json and the parameters that are known all follow from
// it. [Server] puts around it what keeps many or slow clients from taking the machine: limits on connections, time, headers. [Client]
// is the other end, for the command line, the bench and programs in Go.
//
// # Bulk
//
// POST /api/v1/memories/import reads a line a memory or an edge (NDJSON) and answers a line each, when it is durable and in
// the order of the lines: whoever was cut off goes on with the first line that has no answer. GET /api/v1/memories/export
// writes such lines: all memories in the order in which they were remembered, then all edges. Neither holds more than some
// chunks in memory, and both may take as long as they make progress.
//
// # Ownership and lifetime
//
// An API starts nothing and owns nothing; the node must outlive it. Bodies are read into buffers that are used again, so
// everything that a handler keeps of a body is a copy.
package api
