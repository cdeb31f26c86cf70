package graph

import "context"

// MergeBeside merges everything, and calls during for each chunk after the merge has looked at it.
func (g *Graph) MergeBeside(ctx context.Context, during func()) error {
	return g.merge(ctx, func(*chunk) (out, in bool) {
		during()
		return true, true
	})
}
