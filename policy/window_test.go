package policy_test

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the test machine may have none

	"github.com/engramd/engramd/policy"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func window(t testing.TB, cron string, d time.Duration, loc *time.Location) *policy.MaintenanceWindow {
	t.Helper()
	w, err := policy.ParseMaintenanceWindow("nightly", cron, d, loc)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func nightly(t testing.TB) *policy.MaintenanceWindow { return window(t, "0 2 * * *", 2*time.Hour, nil) }
func always(t testing.TB) *policy.MaintenanceWindow  { return window(t, "0 * * * *", 2*time.Hour, nil) }

func at(t testing.TB, s string) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func TestOpenings(t *testing.T) {
	for _, c := range []struct {
		name, cron, zone, from string
		want                   []string
	}{
		{"every night", "0 2 * * *", "Europe/Berlin", "2025-06-01T12:00:00+02:00", []string{"2025-06-02T02:00:00+02:00", "2025-06-03T02:00:00+02:00"}},
		{"strictly after", "0 2 * * *", "Europe/Berlin", "2025-06-02T02:00:00+02:00", []string{"2025-06-03T02:00:00+02:00"}},
		{"weekdays", "0 8 * * 1-5", "Europe/Berlin", "2025-06-06T09:00:00+02:00", []string{"2025-06-09T08:00:00+02:00"}},
		{"a day in four years", "0 0 29 2 *", "UTC", "2025-03-01T00:00:00Z", []string{"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}},
		{"descriptor", "@monthly", "UTC", "2025-03-02T00:00:00Z", []string{"2025-04-01T00:00:00Z"}},

		// Berlin, 30 March 2025: 02:00 CET is 03:00 CEST, and 02:00 to 03:00 does not exist.
		{"forward: an hour that does not exist", "0 2 * * *", "Europe/Berlin", "2025-03-29T12:00:00+01:00",
			[]string{"2025-03-30T03:00:00+02:00", "2025-03-31T02:00:00+02:00"}},
		{"forward: half an hour into it", "30 2 * * *", "Europe/Berlin", "2025-03-29T12:00:00+01:00",
			[]string{"2025-03-30T03:30:00+02:00", "2025-03-31T02:30:00+02:00"}},
		{"forward: asked within the day", "30 2 * * *", "Europe/Berlin", "2025-03-30T03:10:00+02:00", []string{"2025-03-30T03:30:00+02:00"}},
		{"forward: every hour comes once", "0 * * * *", "Europe/Berlin", "2025-03-30T00:30:00+01:00",
			[]string{"2025-03-30T01:00:00+01:00", "2025-03-30T03:00:00+02:00", "2025-03-30T04:00:00+02:00"}},
		{"forward: on both sides of it", "30 2,3 * * *", "Europe/Berlin", "2025-03-30T00:00:00+01:00",
			[]string{"2025-03-30T03:30:00+02:00", "2025-03-31T02:30:00+02:00"}},

		// Berlin, 26 October 2025: 03:00 CEST is 02:00 CET, and 02:00 to 03:00 comes twice.
		{"back: an hour that comes twice", "30 2 * * *", "Europe/Berlin", "2025-10-25T12:00:00+02:00",
			[]string{"2025-10-26T02:30:00+02:00", "2025-10-27T02:30:00+01:00"}},
		{"back: asked between the two", "30 2 * * *", "Europe/Berlin", "2025-10-26T02:45:00+02:00", []string{"2025-10-27T02:30:00+01:00"}},
		{"back: every hour comes as often as it does", "0 * * * *", "Europe/Berlin", "2025-10-26T01:30:00+02:00",
			[]string{"2025-10-26T02:00:00+02:00", "2025-10-26T02:00:00+01:00", "2025-10-26T03:00:00+01:00"}},
		{"back: at its very end", "0 3 * * *", "Europe/Berlin", "2025-10-26T01:30:00+02:00", []string{"2025-10-26T03:00:00+01:00"}},

		{"half an hour: Lord Howe", "15 2 * * *", "Australia/Lord_Howe", "2025-10-04T12:00:00+10:30",
			[]string{"2025-10-05T02:45:00+11:00", "2025-10-06T02:15:00+11:00"}},
		{"a whole day left out: Samoa", "0 12 * * *", "Pacific/Apia", "2011-12-29T13:00:00-10:00",
			[]string{"2011-12-31T12:00:00+14:00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := window(t, c.cron, 2*time.Hour, zone(t, c.zone))
			now := at(t, c.from)
			for _, want := range c.want {
				o, ok := w.Next(now)
				if !ok || !o.Opens.Equal(at(t, want)) || o.Closes.Sub(o.Opens) != 2*time.Hour {
					t.Fatalf("Next(%v) = %+v, %v; want %s", now, o, ok, want)
				}
				if in, ok := w.Open(o.Closes.Add(-time.Second)); !ok || in.Opens.Before(o.Opens) {
					t.Errorf("Open just before %v closes = %+v, %v", o.Closes, in, ok)
				}
				now = o.Opens
			}
		})
	}
}

func TestOpen(t *testing.T) {
	w := window(t, "0 2 * * *", 2*time.Hour, zone(t, "Europe/Berlin"))
	for now, want := range map[string]bool{
		"2025-06-02T01:59:59+02:00": false, "2025-06-02T02:00:00+02:00": true, "2025-06-02T03:59:59+02:00": true, "2025-06-02T04:00:00+02:00": false,
		"2025-03-30T04:59:59+02:00": true, "2025-03-30T05:00:00+02:00": false, // two real hours from 03:00
		"2025-10-26T02:59:59+01:00": true, "2025-10-26T03:00:00+01:00": false, // two real hours from the first 02:00
	} {
		if _, ok := w.Open(at(t, now)); ok != want {
			t.Errorf("open at %s = %v", now, ok)
		}
	}
	often := window(t, "*/10 * * * *", 7*24*time.Hour, nil)
	if o, ok := often.Open(noon.Add(time.Minute)); !ok || !o.Opens.Equal(noon) {
		t.Errorf("the latest opening is %+v, %v; want noon's", o, ok)
	}
	var zero policy.MaintenanceWindow
	if _, ok := zero.Next(noon); ok {
		t.Error("the zero window opens")
	}
}

func TestParseMaintenanceWindowFaults(t *testing.T) {
	for _, c := range []struct {
		cron string
		d    time.Duration
		want string
	}{
		{"", time.Hour, "want five fields"},
		{"0 2 * *", time.Hour, "want five fields"},
		{"0 0 2 * * *", time.Hour, "want five fields"},
		{"0 25 * * *", time.Hour, "above maximum"},
		{"0 2 30 2 *", time.Hour, "there is no such day"},
		{"@every 1h", time.Hour, "no fixed time of day"},
		{"TZ=Europe/Berlin 0 2 * * *", time.Hour, "give the time zone as time_zone"},
		{"0 2 * * *", 0, "between 1m and 7d"},
		{"0 2 * * *", 8 * 24 * time.Hour, "between 1m and 7d"},
	} {
		_, err := policy.ParseMaintenanceWindow("nightly", c.cron, c.d, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), `maintenance window "nightly": `) {
			t.Errorf("cron %q, duration %s: %v; want %q", c.cron, c.d, err, c.want)
		}
	}
}

func TestStartIn(t *testing.T) {
	w := nightly(t) // 02:00 to 04:00 UTC
	day := func(n, hour, minute int) time.Time { return time.Date(2025, 6, n, hour, minute, 0, 0, time.UTC) }
	for _, c := range []struct {
		name     string
		window   *policy.MaintenanceWindow
		now      time.Time
		deadline time.Time
		at       policy.AtDeadline
		need     time.Duration
		want     time.Time // zero: ask
		text     string
	}{
		{name: "none declared", now: noon, text: "no maintenance window is declared"},
		{name: "the next", window: w, now: noon, need: time.Hour, want: day(3, 2, 0), text: "waits for the maintenance window nightly, which opens at 2025-06-03 02:00:00 UTC"},
		{name: "open", window: w, now: day(3, 3, 0), need: time.Hour, want: day(3, 3, 0), text: "is open and holds the 1h needed"},
		{name: "open, but too late in it", window: w, now: day(3, 3, 30), need: time.Hour, want: day(4, 2, 0)},
		{name: "before the deadline", window: w, now: noon, deadline: day(3, 2, 1), need: time.Hour, want: day(3, 2, 0)},
		{name: "after the deadline: ask", window: w, now: noon, deadline: day(3, 2, 0), need: time.Hour, text: "no maintenance window nightly holds the 1h needed before the deadline 2025-06-03 02:00:00 UTC; a person must approve"},
		{name: "after the deadline: run", window: w, now: noon, deadline: day(3, 1, 0), at: policy.RunAtDeadline, need: time.Hour, want: day(3, 1, 0), text: "so it runs at the deadline"},
		{name: "deadline over: run", window: w, now: noon, deadline: day(2, 11, 0), at: policy.RunAtDeadline, need: time.Hour, want: day(2, 11, 0)},
		{name: "deadline over: ask", window: w, now: noon, deadline: day(2, 11, 0), need: time.Hour},
		{name: "longer than any", window: w, now: noon, need: 3 * time.Hour, text: "no maintenance window nightly holds the 3h needed; a person must approve"},
		{name: "longer than any, run", window: w, now: noon, deadline: day(9, 0, 0), at: policy.RunAtDeadline, need: 3 * time.Hour, want: day(9, 0, 0)},
		{name: "openings that overlap are one", window: always(t), now: noon.Add(time.Minute), need: 5 * time.Hour, want: noon.Add(time.Minute)},
		{name: "openings that touch are one", window: window(t, "0 * * * *", time.Hour, nil), now: noon.Add(time.Minute), need: 5 * time.Hour, want: noon.Add(time.Minute)},
		{name: "two in a row once a week", window: window(t, "0 1,2 * * 1", 90*time.Minute, nil), now: noon, need: 2 * time.Hour, want: day(9, 1, 0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := policy.StartIn(c.window, c.now, c.deadline, c.at, c.need)
			if !got.At.Equal(c.want) || got.Ask != c.want.IsZero() || !strings.Contains(got.Text, c.text) {
				t.Errorf("%+v, want %v, %q", got, c.want, c.text)
			}
		})
	}
}

func TestGoneAndFresh(t *testing.T) {
	day := 24 * time.Hour
	for held, want := range map[time.Duration]bool{0: false, -day + time.Second: false, -day: true, time.Hour: false} {
		if got := policy.Gone(noon, noon.Add(held), day); got != want {
			t.Errorf("last held %s ago: gone = %v", -held, got)
		}
	}
	for back, want := range map[time.Duration]bool{time.Minute: true, 2 * time.Minute: true, 2*time.Minute + 1: false} {
		if got := policy.Fresh(noon, noon.Add(-2*time.Minute), back); got != want {
			t.Errorf("a look back of %s: fresh = %v", back, got)
		}
	}
}

func FuzzMaintenanceWindow(f *testing.F) {
	f.Add("0 2 * * *", int64(3600), int64(1743296400), "Europe/Berlin")
	f.Add("*/7 1-3 * 3,10 0", int64(60), int64(1761440400), "Europe/Berlin")
	f.Add("0 0 29 2 *", int64(7200), int64(0), "Pacific/Apia")
	f.Fuzz(func(t *testing.T, cron string, seconds, unix int64, name string) {
		loc, err := time.LoadLocation(name)
		if err != nil || unix < 0 || unix > 1<<33 {
			return
		}
		w, err := policy.ParseMaintenanceWindow("w", cron, time.Duration(seconds%1e6)*time.Second, loc)
		if err != nil {
			return
		}
		now := time.Unix(unix, 0)
		next, ok := w.Next(now)
		if !ok {
			return
		}
		if !next.Opens.After(now) || next.Closes.Sub(next.Opens) != w.Duration {
			t.Errorf("Next(%v) = %+v", now, next)
		}
		if o, ok := w.Open(next.Opens); !ok || !o.Opens.Equal(next.Opens) {
			t.Errorf("Open(%v) = %+v, %v, but it opens then", next.Opens, o, ok)
		}
		if o, ok := w.Open(now); ok && (o.Opens.After(now) || !now.Before(o.Closes)) {
			t.Errorf("Open(%v) = %+v", now, o)
		}
	})
}
