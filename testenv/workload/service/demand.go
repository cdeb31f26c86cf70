package service

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// demandSlot is how long a stretch of demand is: several fit into the kernel's period of 100 ms, so that a demand below
// the limit is never held back.
const demandSlot = 20 * time.Millisecond

// A demand wants so many cores, evenly, on several threads. What it does not get in time is lost, as with requests that
// time out: it is not wanted later.
type demand struct {
	micro atomic.Int64 // millionths of a core
	once  sync.Once
}

// demandThreads bounds the cores that can be wanted.
const demandThreads = 4

// set wants so many cores from now on.
func (d *demand) set(cores float64) {
	d.micro.Store(int64(cores * 1e6))
	d.once.Do(func() {
		for range demandThreads {
			go d.work() // until the process ends
		}
	})
}

func (d *demand) work() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		end := time.Now().Truncate(demandSlot).Add(demandSlot)
		share := time.Duration(d.micro.Load()) * demandSlot / 1e6 / demandThreads
		if share > 0 {
			ctx, cancel := context.WithDeadline(context.Background(), end)
			burn(ctx, min(share, demandSlot))
			cancel()
		}
		pause := time.NewTimer(time.Until(end))
		<-pause.C
	}
}
