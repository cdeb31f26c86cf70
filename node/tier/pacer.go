package tier

import (
	"context"
	"time"
)

// A pacer lets so many a second begin.
type pacer struct {
	perSecond int
	next      time.Time // from when on more may begin
}

// wait returns when n more may begin.
func (p *pacer) wait(ctx context.Context, n int) error {
	now := time.Now()
	pause := max(0, p.next.Sub(now))
	p.next = now.Add(pause + time.Duration(n)*time.Second/time.Duration(p.perSecond))
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
