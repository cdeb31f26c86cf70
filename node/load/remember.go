package load

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/engramd/engramd/node"
)

// recordBytes is the content of what is remembered here.
const recordBytes = 1024

// turn is how long writers write before the bare loop has its turn: several checkpoints' time for many writers.
const turn = 2 * time.Second

// rememberers are the numbers of writers, and the least share of the bare loop that they should reach.
var rememberers = []struct {
	writers int
	bound   Bound
}{{1, atLeast(0.8)}, {16, atLeast(0.7)}, {128, atLeast(0.7)}, {1024, Bound{}}}

// benchRemember lets writers and a bare loop that writes as many batches of the same size take turns, so that a disk whose speed changes
// does not decide. The bare loop's turn begins when the checkpoint is through, and nothing disturbs it.
func benchRemember(ctx context.Context, j *job) error {
	bare, err := newBareWrites(j.Dir, j.SyncDelay)
	if err != nil {
		return err
	}
	defer bare.close()
	return j.withLog(ctx, node.Options{DataDir: filepath.Join(j.Dir, "remember")}, func(r *running) error {
		spells := make([]spell, len(rememberers))
		bares := make([]time.Duration, len(rememberers))
		lasts := min(turn, j.Duration)
		for spent := time.Duration(0); spent < j.Duration; spent += lasts {
			for i := range rememberers {
				if err := j.rememberTurn(ctx, r, bare, i, lasts, &spells[i], &bares[i]); err != nil {
					return err
				}
			}
		}
		return j.remembered(spells, bares)
	})
}

func (j *job) rememberTurn(ctx context.Context, r *running, bare *bareWrites, i int, lasts time.Duration, sum *spell, bared *time.Duration) error {
	s, err := write(ctx, r, rememberers[i].writers, strings.Repeat("x", recordBytes), lasts)
	if err != nil {
		return err
	}
	if err := r.Store().Checkpoint(ctx); err != nil {
		return err
	}
	took, err := bare.write(int(s.batches), s.batch())
	sum.add(s)
	*bared += took
	return err
}

// remembered prints what came of it.
func (j *job) remembered(spells []spell, bares []time.Duration) error {
	for i, of := range rememberers {
		s := &spells[i]
		name := func(what string) string { return fmt.Sprintf("%d/%s", of.writers, what) }
		if err := j.row(name("rate"), s.perSecond(), "records/s", Bound{}); err != nil {
			return err
		}
		if err := j.row(name("p99"), millis(percentile(s.times, 0.99)), "ms", Bound{}); err != nil {
			return err
		}
		if err := j.ratio(name("of_bare"), bares[i].Seconds()/s.took.Seconds(), "bare write+fdatasync of the same batches", of.bound); err != nil {
			return err
		}
	}
	last := len(rememberers) - 1
	return j.ratio("1024/of_128", spells[last].perSecond()/spells[last-1].perSecond(), "records/s of 128 writers", atLeast(1))
}
