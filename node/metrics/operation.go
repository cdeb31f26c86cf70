package metrics

// An Operation is a kind of work that is counted and timed.
type Operation uint8

// The operations. Those up to Spreading are requests that somebody waits for.
const (
	Remember Operation = iota
	Recall
	Get
	List
	Patch
	Delete
	Link
	Unlink
	Spreading
	Import
	Export
	Consolidation
	Snapshot
	Restore
	Checkpoint
	Compaction
	Eviction
	Learning
	operations // how many there are
)

var operationNames = [operations]string{
	"remember", "recall", "get", "list", "patch", "delete", "link", "unlink", "spreading",
	"import", "export", "consolidation", "snapshot", "restore", "checkpoint", "compaction", "eviction", "learning",
}

// String returns the operation's name in labels.
func (o Operation) String() string { return operationNames[o] }

// Request tells whether somebody waits for the operation. Latency and errors of the node as a whole are those of requests.
func (o Operation) Request() bool { return o <= Spreading }
