package node

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A rhythm that is changed holds from that moment, also for who waits already; a negative one waits for another.
func TestRhythm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r rhythm
		r.set(time.Hour)
		ctx, stop := context.WithCancel(t.Context())
		var beats []time.Duration
		began, done := time.Now(), make(chan struct{})
		go func() {
			defer close(done)
			for r.wait(ctx) {
				beats = append(beats, time.Since(began))
			}
		}()
		for _, step := range []struct {
			every, lasts time.Duration
		}{{time.Minute, 150 * time.Second}, {-1, 24 * time.Hour}, {10 * time.Second, 15 * time.Second}} {
			synctest.Wait()
			r.set(step.every)
			time.Sleep(step.lasts)
		}
		stop()
		<-done
		want := []time.Duration{time.Minute, 2 * time.Minute, 150*time.Second + 24*time.Hour + 10*time.Second}
		if len(beats) != len(want) || beats[0] != want[0] || beats[1] != want[1] || beats[2] != want[2] {
			t.Errorf("%v, want %v", beats, want)
		}
	})
}
