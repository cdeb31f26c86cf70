package rightsize

import (
	"math"
	"time"
)

// A State is what is remembered of one resource of one target. The zero State knows nothing. It has
// no pointers but those of its times, and is saved as JSON.
type State struct {
	First time.Time `json:"first,omitzero"` // the first sample
	Last  time.Time `json:"last,omitzero"`  // the newest
	Since time.Time `json:"since,omitzero"` // samples are dense from here on

	Recent Recent  `json:"recent"`
	Peaks  Peaks   `json:"peaks"`
	Mean   float64 `json:"mean"`  // of the use, over about a day
	Limit  float64 `json:"limit"` // as last seen
	Waste  float64 `json:"waste"` // unit x minutes that a decrease would have saved since the last change
	Acts   float64 `json:"acts"`  // actions, fading over 24 h

	Grew     time.Time `json:"grew,omitzero"`      // on evidence, and not yet judged
	GrewUse  float64   `json:"grew_use,omitempty"` // the maximum since then
	Asked    bool      `json:"asked,omitempty"`    // the last recommendation was growth on evidence
	OOMSize  float64   `json:"oom_size,omitempty"` // the limit under which it was killed
	OOMUntil time.Time `json:"oom_until,omitzero"`

	Behind   int       `json:"behind,omitempty"` // samples in a row of an earlier time
	BehindAt time.Time `json:"behind_at,omitzero"`
}

// admit says whether a sample of that time teaches something, and how much time it stands for.
func (st *State) admit(at time.Time, gap time.Duration) (time.Duration, bool) {
	if st.Last.IsZero() {
		st.First, st.Since, st.Last = at, at, at
		return 0, true
	}
	dt := at.Sub(st.Last)
	if dt <= 0 {
		if at.Equal(st.Last) || !st.setBack(at) {
			return 0, false
		}
		st.rebase(at)
		return 0, true
	}
	st.Behind, st.BehindAt = 0, time.Time{}
	st.Last = at
	if dt > gap {
		st.Since, dt = at, 0
	}
	return dt, true
}

// setBack counts samples before the newest, and believes a clock that keeps running there.
func (st *State) setBack(at time.Time) bool {
	if st.Behind > 0 && !at.After(st.BehindAt) {
		st.Behind = 0
	}
	st.Behind, st.BehindAt = st.Behind+1, at
	return st.Behind >= believeAfter
}

// rebase goes on at an earlier time. What was learned without times stays.
func (st *State) rebase(at time.Time) {
	age := min(st.Last.Sub(st.First), thinHistory)
	st.First, st.Since, st.Last = at.Add(-age), at, at
	st.Behind, st.BehindAt = 0, time.Time{}
	st.Recent.clear()
	st.Peaks.Until, st.Grew = time.Time{}, time.Time{}
	if !st.OOMUntil.IsZero() {
		st.OOMUntil = at.Add(oomMemory)
	}
}

// see notices a change of the limit, whoever made it.
func (st *State) see(limit float64, at time.Time) {
	if st.Limit > 0 && math.Abs(limit-st.Limit) > 1e-9*limit {
		st.Acts++
		st.Waste = 0
		st.Grew, st.GrewUse = time.Time{}, 0
		if st.Asked && limit > st.Limit {
			st.Grew = at
		}
	}
	st.Limit = limit
}

// learn takes a use in.
func (st *State) learn(o Options, at time.Time, dt time.Duration, used float64) {
	age := max(at.Sub(st.First), time.Minute)
	weight := float64(dt) / float64(min(age, 24*time.Hour))
	if dt == 0 && st.Mean == 0 {
		weight = 1
	}
	st.Mean += (used - st.Mean) * math.Min(1, weight)
	st.Acts *= math.Exp(-dt.Hours() / 24)
	st.Recent.add(at, o.slot(), used)
	st.Peaks.add(at, used)
	if !st.Grew.IsZero() {
		st.GrewUse = math.Max(st.GrewUse, used)
	}
	st.Waste += dt.Minutes() * math.Max(0, st.Limit-o.Want(st))
}

// Confidence says how much the history can tell, from 0 to 1: it is thin before its first day is over.
func (st *State) Confidence() float64 {
	return math.Min(1, st.Last.Sub(st.First).Hours()/thinHistory.Hours())
}
