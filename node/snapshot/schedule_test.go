package snapshot_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/snapshot"
	"github.com/google/go-cmp/cmp"
)

func TestParseSchedule(t *testing.T) {
	for expr, ok := range map[string]bool{
		"0 3 * * *": true, "@daily": true, "30 2 * * 0": true,
		"": false, "0 3 * *": false, "0 0 3 * * *": false, "@every 1h": false, "61 3 * * *": false, "0 3 30 2 *": false, "rubbish": false,
		"CRON_TZ=UTC 0 3 * * *": false,
	} {
		_, err := snapshot.ParseSchedule(expr, nil)
		if ok != (err == nil) || err != nil && !errors.Is(err, record.ErrInvalid) {
			t.Errorf("%q: %v", expr, err)
		}
	}
}

// A clock that can be put, beside the virtual one.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())).UTC() }

// scheduled runs a schedule for a while in virtual time and returns when snapshots were tried. The clock begins at midnight of 2000-01-01, as synctest has it.
func scheduled(t *testing.T, expr string, c *clock, last time.Time, during time.Duration, take func(n int) error, meanwhile func()) (tries []string) {
	t.Helper()
	s, err := snapshot.ParseSchedule(expr, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	if meanwhile != nil {
		go meanwhile()
	}
	err = s.Run(ctx, c.now, func() time.Time { return last }, func(context.Context) error {
		tries = append(tries, c.now().Format("02 15:04"))
		err := take(len(tries))
		if err == nil {
			last = c.now()
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return tries
}

func well(int) error { return nil }

func TestSchedule(t *testing.T) {
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	const days = 24 * time.Hour
	for _, c := range []struct {
		name      string
		last      time.Time
		take      func(int) error
		meanwhile func(*clock)
		want      []string
	}{
		{name: "none yet", want: []string{"01 03:00", "02 03:00", "03 03:00"}},
		{name: "the last one was in time", last: start.Add(-21 * time.Hour), want: []string{"01 03:00", "02 03:00", "03 03:00"}},
		{name: "some were missed", last: start.Add(-100 * days), want: []string{"01 00:00", "01 03:00", "02 03:00", "03 03:00"}},
		{name: "the last one is from the future", last: start.Add(1000 * days), want: []string{"01 03:00", "02 03:00", "03 03:00"}},
		{
			name: "failures are tried again within the hour",
			take: func(n int) error {
				if n < 4 {
					return errors.New("full")
				}
				return nil
			},
			want: []string{"01 03:00", "01 04:00", "01 05:00", "01 06:00", "02 03:00", "03 03:00"},
		},
		{
			name: "the clock is put back",
			meanwhile: func(c *clock) {
				time.Sleep(10*time.Hour + 30*time.Second)
				c.ahead.Store(int64(-9 * time.Hour)) // 01:00 again
			},
			want: []string{"01 03:00", "02 03:00", "03 03:00"}, // there is one of the first day's hour already
		},
		{
			name: "the clock is put back before the first",
			meanwhile: func(c *clock) {
				time.Sleep(time.Hour + 30*time.Second)
				c.ahead.Store(int64(-48 * time.Hour))
			},
			want: []string{"30 03:00", "31 03:00", "01 03:00"},
		},
		{
			name: "the clock is put forward, or the machine slept",
			meanwhile: func(c *clock) {
				time.Sleep(10*time.Hour + 30*time.Second)
				c.ahead.Store(int64(30 * time.Hour))
			},
			want: []string{"01 03:00", "02 16:01", "03 03:00", "04 03:00", "05 03:00"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var k clock
				take := c.take
				if take == nil {
					take = well
				}
				var meanwhile func()
				if c.meanwhile != nil {
					meanwhile = func() { c.meanwhile(&k) }
				}
				got := scheduled(t, "0 3 * * *", &k, c.last, 70*time.Hour, take, meanwhile)
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("tried (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestScheduleOnAWall follows the clock of a place through the night in which it is put forward.
func TestScheduleOnAWall(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	s, err := snapshot.ParseSchedule("0 3 * * *", loc)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 27, 12, 0, 0, 0, time.UTC)
	for _, want := range []string{"2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"} {
		at = s.After(at)
		if got := at.UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}
}
