// Package service is the workload of the real-system tests: a small HTTP service that behaves like the memory node under
// load, and misbehaves on command.
//
// It burns real CPU by request, holds real memory, waits on a real lock, and exports the guide's metric names with values
// that it measured itself: what it cannot tell truthfully, it leaves out. Its answers:
//
//	GET  /work?cpu=5ms            burn 5 ms of thread CPU time (not wall time) in one of a bounded number of workers
//	POST /write?cpu=5ms           the same as a write: refused with 503 in maintenance
//	GET  /lock?hold=5ms[&cpu=5ms] pass one global mutex, sleeping and burning inside it
//	GET  /sync?bytes=64Ki         write that much to a file and sync it
//	GET  /spin?on[&threads=2]     keep that many threads busy;  /spin?off
//	GET  /memory?bytes=64Mi[&tier=hot]  hold exactly that much in a tier (hot, warm, cold);  /memory?free
//	GET  /cache?bytes=64Mi        hold that much page cache (a file);  /cache?free
//	GET  /fail?health=on|off      fail /health
//	GET  /fail?metrics=MODE       500, hang, garbage (endless bytes), huge (endless valid samples), empty, nan, off
//	GET  /fail?maintenance=MODE   500, hang, off
//	GET  /fail?errors=0.1         answer that share of work and writes with 500
//	GET  /fail?crash=on           exit at once with status 3
//	GET  /snapshot?age=25h        claim that the last backup is that old
//	GET  /health                  200, also in maintenance
//	GET  /metrics                 Prometheus text
//	POST /api/v1/admin/maintenance/enable, /disable   optional JSON {"owner": "...", "ttl": "60s"};  GET /api/v1/admin/maintenance
//
// Environment (see [FromEnv]): WORKLOAD_LISTEN, _WORKERS, _QUEUE, _WINDOW, _PROCS, _MEMORY, _STOP_DELAY, _DATA,
// _UNHEALTHY and _CRASH (the last two are a [Condition]).
//
// New starts nothing. Run serves until its context ends, lets requests in flight finish, and joins every goroutine it
// started. Maintenance lives in memory: a restart ends it.
package service
