package snapshot_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/snapshot"
	"github.com/google/go-cmp/cmp"
)

// at reads "2026-11-22" or "2026-11-22 23:30 +05:00".
func at(t testing.TB, s string) time.Time {
	t.Helper()
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02 15:04 -07:00"} {
		if at, err := time.Parse(layout, s); err == nil {
			return at
		}
	}
	t.Fatalf("no time: %s", s)
	return time.Time{}
}

// daily returns the days from first to last.
func daily(first, last string) (days []string) {
	from, _ := time.Parse(time.DateOnly, first)
	for ; from.Format(time.DateOnly) <= last; from = from.AddDate(0, 0, 1) {
		days = append(days, from.Format(time.DateOnly))
	}
	return days
}

func TestSurplus(t *testing.T) {
	for _, c := range []struct {
		name         string
		now          string
		have         []string // with ! it is damaged
		last, weekly int
		kept         []string
	}{
		{"nothing", "2026-11-22", nil, 5, 4, nil},
		{"less than that", "2026-11-22", daily("2026-11-20", "2026-11-22"), 5, 4, daily("2026-11-20", "2026-11-22")},
		{
			// 2026-11-22 is a Sunday: the last day of week 47.
			"daily for two months", "2026-11-22", daily("2026-09-22", "2026-11-22"), 5, 4,
			append([]string{"2026-11-01", "2026-11-08", "2026-11-15"}, daily("2026-11-18", "2026-11-22")...),
		},
		{
			"the day after, a new week", "2026-11-23", daily("2026-11-01", "2026-11-23"), 5, 4,
			append([]string{"2026-11-08", "2026-11-15"}, daily("2026-11-19", "2026-11-23")...),
		},
		{"only the last", "2026-11-22", daily("2026-10-22", "2026-11-22"), 1, 0, []string{"2026-11-22"}},
		{"only weekly beside it", "2026-11-22", daily("2026-11-01", "2026-11-22"), 1, 2, []string{"2026-11-15", "2026-11-22"}},
		{
			// Week 53 of 2026 reaches into 2027.
			"the turn of the year", "2027-01-05", daily("2026-12-20", "2027-01-05"), 1, 4,
			[]string{"2026-12-20", "2026-12-27", "2027-01-03", "2027-01-05"},
		},
		{
			// In UTC the first one is of Sunday.
			"a week ends in UTC", "2026-11-25", []string{"2026-11-23 01:00 +05:00", "2026-11-23 01:00", "2026-11-24", "2026-11-25"}, 1, 2,
			[]string{"2026-11-23 01:00 +05:00", "2026-11-25"},
		},
		{
			"long ago is not surplus", "2030-01-01", daily("2026-11-20", "2026-11-22"), 5, 4, daily("2026-11-20", "2026-11-22"),
		},
		{
			"from the future: neither counted nor gone", "2026-11-22",
			append(daily("2026-11-16", "2026-11-22"), "2030-01-01", "2030-01-02"), 2, 0,
			[]string{"2026-11-21", "2026-11-22", "2030-01-01", "2030-01-02"},
		},
		{
			"the clock went back to before all of them", "1970-01-01", daily("2026-11-01", "2026-11-22"), 1, 1, daily("2026-11-01", "2026-11-22"),
		},
		{
			"damaged ones are neither counted nor gone", "2026-11-22", []string{"2026-11-18", "2026-11-19", "2026-11-20!", "2026-11-21!", "2026-11-22"}, 2, 0,
			[]string{"2026-11-19", "2026-11-20!", "2026-11-21!", "2026-11-22"},
		},
		{
			"many in a day", "2026-11-22 12:00",
			[]string{"2026-11-22 01:00", "2026-11-22 02:00", "2026-11-22 03:00", "2026-11-15 01:00", "2026-11-15 02:00"}, 2, 4,
			[]string{"2026-11-22 02:00", "2026-11-22 03:00", "2026-11-15 02:00"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var infos []snapshot.Info
			gone := map[string]bool{}
			for _, s := range c.have {
				when, isDamaged := strings.CutSuffix(s, "!")
				i := snapshot.Info{Manifest: snapshot.Manifest{Name: s, CreatedAt: at(t, when)}}
				if isDamaged {
					i.Damage = "a bit"
				}
				infos = append(infos, i)
			}
			for _, i := range snapshot.Surplus(at(t, c.now), infos, c.last, c.weekly) {
				gone[i.Name] = true
			}
			var kept []string
			for _, s := range c.have {
				if !gone[s] {
					kept = append(kept, s)
				}
			}
			same := map[string]bool{}
			for _, s := range c.kept {
				same[s] = true
			}
			got := map[string]bool{}
			for _, s := range kept {
				got[s] = true
			}
			if diff := cmp.Diff(same, got); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPrune(t *testing.T) {
	w := newWorld(t)
	other, err := w.store.Create("other", 0)
	if err != nil {
		t.Fatal(err)
	}
	w.set(at(t, "2026-11-20 03:00"))
	if _, err := w.shelf.Take(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	for range 12 {
		w.take()
		w.later(24 * time.Hour)
	}
	before := w.names()
	if _, err := w.shelf.Prune(t.Context(), 0, 4); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("keep none: %v", err)
	}
	went, err := w.shelf.Prune(t.Context(), 5, 4)
	if err != nil || len(went)+len(w.names()) != len(before) {
		t.Errorf("%d went, %d are left of %d; %v", len(went), len(w.names()), len(before), err)
	}
	want := []string{
		"20261201T030000Z-default", "20261130T030000Z-default", "20261129T030000Z-default", "20261128T030000Z-default", "20261127T030000Z-default",
		"20261122T030000Z-default", "20261120T030000Z-other",
	}
	if diff := cmp.Diff(want, w.names()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if got := w.entries(); len(got) != len(want) {
		t.Errorf("entries %v", got)
	}
}

// FuzzSurplus holds what must be true whatever there is: the newest ones stay, and no more stay than asked for.
func FuzzSurplus(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 200}, uint8(2), uint8(1))
	f.Fuzz(func(t *testing.T, hours []byte, last, weekly uint8) {
		last++
		now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
		var infos []snapshot.Info
		for i, h := range hours {
			m := snapshot.Manifest{Name: fmt.Sprint(i), CreatedAt: now.Add(-time.Duration(h) * 7 * time.Hour)}
			infos = append(infos, snapshot.Info{Manifest: m})
		}
		gone := snapshot.Surplus(now, infos, int(last), int(weekly))
		kept := len(infos) - len(gone)
		if kept < min(len(infos), int(last)) || kept > int(last)+int(weekly) {
			t.Errorf("%d of %d are kept; last %d, weekly %d", kept, len(infos), last, weekly)
		}
		for _, g := range gone {
			newer := 0
			for _, i := range infos {
				if i.CreatedAt.After(g.CreatedAt) || i.CreatedAt.Equal(g.CreatedAt) && i.Name != g.Name {
					newer++
				}
			}
			if newer < int(last) {
				t.Errorf("%v went, and only %d are not older", g.CreatedAt, newer)
			}
		}
		if again := snapshot.Surplus(now, nil, int(last), int(weekly)); len(again) > 0 {
			t.Errorf("surplus of nothing: %v", again)
		}
	})
}
