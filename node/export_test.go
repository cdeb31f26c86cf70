package node

import "context"

// WriteLessons writes what recalls learned, as Run does by itself.
func (n *Node) WriteLessons(ctx context.Context) { n.writeLessons(ctx) }

// MaxLearning bounds how many memories and edges wait to be written.
const MaxLearning = maxLearning
