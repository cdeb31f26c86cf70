package rightsize_test

import (
	"testing"
	"time"

	"github.com/engramd/engramd/policy/rightsize"
)

const gib = 1 << 30

func TestMemoryFollowsTheDaysPeak(t *testing.T) {
	l := newLoop(rightsize.Memory(gib/4, 64*gib), 16*gib)
	l.minutes(60, 6*gib)
	l.minutes(22*60, 2*gib)
	if len(l.changes) != 0 {
		t.Fatalf("changed before a day was seen: %s", l.last().Why())
	}
	l.minutes(50*60, 2*gib)
	if l.limit > 2.4*gib || l.limit < 2.2*gib {
		t.Errorf("limit is %.2f GiB after two quiet days; want 2.3", l.limit/gib)
	}
}

func TestOOMGrowsAndIsRemembered(t *testing.T) {
	l := newLoop(rightsize.Memory(gib/4, 64*gib), 2*gib)
	l.minutes(24*60, 1.7*gib)
	l.at = l.at.Add(time.Minute)
	r := l.o.Observe(&l.st, rightsize.Sample{At: l.at, Used: 1.9 * gib, Limit: l.limit, OOM: true})
	if r.Rule != rightsize.Evidence || !near(r.Size, 2.4*gib) {
		t.Fatalf("OOM at 2 GiB: %s; want a fifth more", r.Why())
	}
	l.limit = r.Size
	for day := range 6 {
		if l.minutes(24*60, 0.5*gib); l.limit < 2.4*gib {
			t.Fatalf("shrunk to %v, %d days after an OOM: %s", l.limit, day+1, l.last().Why())
		}
	}
	if l.minutes(5*24*60, 0.5*gib); l.limit > 0.6*gib {
		t.Errorf("limit is still %.2f GiB eleven days after the OOM", l.limit/gib)
	}
}

func TestSmallMemoryGrowsByAHundredMebibytes(t *testing.T) {
	l := newLoop(rightsize.Memory(0, 64*gib), 50<<20)
	l.at = l.at.Add(time.Minute)
	r := l.o.Observe(&l.st, rightsize.Sample{At: l.at, Used: 45 << 20, Limit: l.limit, OOM: true})
	if !near(r.Size, 150<<20) {
		t.Errorf("%s; want 150 MiB", r.Why())
	}
}

func TestMemoryGrowsBeforeItIsFull(t *testing.T) {
	l := newLoop(rightsize.Memory(0, 64*gib), 2*gib)
	l.minutes(60, gib)
	if r := l.minute(1.9 * gib); r.Rule != rightsize.Use || r.Size < 1.9*gib*1.1 {
		t.Errorf("1.9 of 2 GiB in use: %s; want at least a tenth above it", r.Why())
	}
}
