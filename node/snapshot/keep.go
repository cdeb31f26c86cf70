package snapshot

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/node/record"
)

// What is kept where nobody says otherwise: the guide's "last 5 + weekly".
const (
	DefaultKeepLast   = 5
	DefaultKeepWeekly = 4
)

// slack is how far ahead of the clock a snapshot may be without coming from the future.
const slack = time.Minute

// Surplus returns those of infos, snapshots of one space in any order, that need not be kept: all but the keepLast newest, and the newest of each of the
// keepWeekly last weeks (ISO 8601, UTC) that have any.
//
// It counts and never looks at ages, so that a space of which no snapshots are taken any more keeps what it has. A snapshot that is damaged, or from the future,
// is neither counted nor surplus: a clock that went backwards, or a disk that loses bits, is for people to judge.
func Surplus(now time.Time, infos []Info, keepLast, keepWeekly int) []Info {
	sorted := slices.Clone(infos)
	sortNewest(sorted)
	type week struct{ year, week int }
	weeks := map[week]bool{}
	var surplus []Info
	for _, i := range sorted {
		if i.Damage != "" || i.CreatedAt.After(now.Add(slack)) {
			continue
		}
		year, w := i.CreatedAt.UTC().ISOWeek()
		first := !weeks[week{year, w}]
		weeks[week{year, w}] = true
		keepLast--
		if keepLast < 0 && !(first && len(weeks) <= keepWeekly) {
			surplus = append(surplus, i)
		}
	}
	return surplus
}

// CheckKeep tells whether so many may be kept.
func CheckKeep(keepLast, keepWeekly int) error {
	if keepLast < 1 || keepWeekly < 0 {
		return &record.InvalidError{Field: "keep", Reason: fmt.Sprintf("last %d, weekly %d: the last one at least is kept; delete it by its name", keepLast, keepWeekly)}
	}
	return nil
}

// Prune deletes what is surplus, of each space for itself, and returns it. One that is in use stays until the next time.
func (s *Shelf) Prune(ctx context.Context, keepLast, keepWeekly int) ([]Info, error) {
	if err := CheckKeep(keepLast, keepWeekly); err != nil {
		return nil, err
	}
	infos, err := s.List("")
	if err != nil {
		return nil, err
	}
	spaces := map[string][]Info{}
	for _, i := range infos {
		spaces[i.Space] = append(spaces[i.Space], i)
	}
	var went []Info
	for _, i := range infos {
		if spaces[i.Space] == nil {
			continue
		}
		for _, i := range Surplus(s.opts.Now(), spaces[i.Space], keepLast, keepWeekly) {
			if ctx.Err() != nil {
				return went, context.Cause(ctx)
			}
			if err := s.Delete(i.Name); err != nil {
				s.log.Warn("a snapshot was not pruned", "name", i.Name, "error", err)
				continue
			}
			went = append(went, i)
		}
		spaces[i.Space] = nil
	}
	return went, nil
}
