package tier

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pacer{perSecond: 1000}
		start := time.Now()
		for range 10 {
			if err := p.wait(t.Context(), 500); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 9*time.Second/2 {
			t.Errorf("the tenth 500 at 1,000/s began after %v", took)
		}
		time.Sleep(time.Hour) // what was not used is not saved up
		start = time.Now()
		for range 3 {
			if err := p.wait(t.Context(), 500); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("after a pause the third 500 began after %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := errors.Join(p.wait(ctx, 5000), p.wait(ctx, 1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}
