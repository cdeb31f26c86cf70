package node_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/engramd/engramd/node"
)

// What a client asks and what it is answered.
type (
	question struct {
		verb, id, content string
		ifVersion         uint64
	}
	answer struct {
		content string
		version uint64
		err     error // one of the sentinels, or nil
	}
	// cell is what a memory should be.
	cell struct {
		there   bool
		content string
		version uint64
	}
)

// memoryModel says which answers a memory may give.
var memoryModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byID := map[string][]porcupine.Operation{}
		for _, op := range history {
			id := op.Input.(question).id
			byID[id] = append(byID[id], op)
		}
		var parts [][]porcupine.Operation
		for _, p := range byID {
			parts = append(parts, p)
		}
		return parts
	},
	Init: func() any { return cell{} },
	Step: func(state, input, output any) (bool, any) {
		return step(state.(cell), input.(question), output.(answer))
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

func step(c cell, q question, a answer) (bool, any) {
	switch {
	case q.verb == "remember" && !c.there, q.verb == "patch" && c.there && (q.ifVersion == 0 || q.ifVersion == c.version):
		return a.err == nil && a.version > c.version, cell{true, q.content, a.version}
	case q.verb == "remember" && c.content == q.content:
		return a.err == nil && a.version == c.version, c
	case q.verb == "remember":
		return a.err == node.ErrConflict, c
	case !c.there:
		return a.err == node.ErrNotFound, c
	case q.verb == "get":
		return a.err == nil && a.content == c.content && a.version == c.version, c
	case q.verb == "delete" && (q.ifVersion == 0 || q.ifVersion == c.version):
		return a.err == nil, cell{version: c.version}
	}
	return a.err == node.ErrVersion, c
}

// TestLinearizable lets clients work on few ids with checkpoints all the time, and asks whether some order of their
// calls explains every answer.
func TestLinearizable(t *testing.T) {
	opts := small(t.TempDir())
	opts.Store.CheckpointBytes, opts.Store.CheckpointEvery = 1, time.Millisecond
	n, _ := running(t, opts)
	begin := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	var wg sync.WaitGroup
	for client := range 6 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(client), 9))
			var seen uint64
			for i := range 150 {
				q := question{
					verb: []string{"remember", "get", "get", "patch", "patch", "delete"}[rng.IntN(6)],
					id:   fmt.Sprint("m", rng.IntN(4)), content: fmt.Sprint(client, "-", i%3),
				}
				if rng.IntN(2) == 0 && (q.verb == "patch" || q.verb == "delete") {
					q.ifVersion = seen
				}
				call := time.Since(begin).Nanoseconds()
				a := ask(t.Context(), n, q)
				op := porcupine.Operation{ClientId: client, Input: q, Call: call, Output: a, Return: time.Since(begin).Nanoseconds()}
				if a.version != 0 {
					seen = a.version
				}
				mu.Lock()
				history = append(history, op)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if result, info := porcupine.CheckOperationsVerbose(memoryModel, history, 30*time.Second); result != porcupine.Ok {
		path := t.ArtifactDir() + "/history.html"
		t.Errorf("%s: no order of the calls explains the answers; see %s: %v", result, path, porcupine.VisualizePath(memoryModel, info, path))
	}
}

func ask(ctx context.Context, n *node.Node, q question) (a answer) {
	switch q.verb {
	case "remember":
		r, err := n.Remember(ctx, "default", node.Memory{ID: q.id, Content: q.content})
		a = answer{version: r.Version, err: err}
	case "get":
		m, err := n.Get(ctx, "default", q.id)
		a = answer{content: m.Content, version: m.Version, err: err}
	case "patch":
		m, err := n.Patch(ctx, "default", q.id, q.ifVersion, text(q.content))
		a = answer{version: m.Version, err: err}
	case "delete":
		a.err = n.Delete(ctx, "default", q.id, q.ifVersion)
	}
	for _, sentinel := range []error{node.ErrConflict, node.ErrNotFound, node.ErrVersion} {
		if errors.Is(a.err, sentinel) {
			return answer{err: sentinel}
		}
	}
	return a
}
