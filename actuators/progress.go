package actuators

import (
	"slices"
	"time"
)

// maxProgress bounds what is kept of an action's way. The beginning and the end of it tell most.
const maxProgress = 120

// maxProgressError bounds the text of one failure there; the action's reason has all of it.
const maxProgressError = 300

// A Progress is one thing that was done on an action's way, and how long it took.
type Progress struct {
	// Op is look, baseline, backup, others, enable, idle, do, verify, health, disable, smoke, settle,
	// validate, undo or finish; Kind is the kind of the driver's step where it is do or undo.
	Op   string `json:"op"`
	Kind string `json:"kind,omitempty"`
	Text string `json:"text"`

	At   time.Time     `json:"at"`
	Took time.Duration `json:"took,omitempty"`
	// Open says that it has not ended, as far as is known.
	Open  bool   `json:"open,omitempty"`
	Error string `json:"error,omitempty"`
}

// timed does one thing of the action's way and notes how long that took. The note is journalled with
// whatever is journalled next: it is for people, and not worth a write of its own.
func (r *run) timed(op, kind, text string, do func() error) error {
	r.noteBegin(op, kind, text)
	err := do()
	r.noteEnd(op, err)
	return err
}

// noteBegin notes that something begins.
func (r *run) noteBegin(op, kind, text string) {
	r.noteProgress(func(list []Progress) []Progress {
		if len(list) >= maxProgress {
			list = slices.Delete(list, maxProgress/2, maxProgress/2+1)
		}
		return append(list, Progress{Op: op, Kind: kind, Text: text, At: time.Now(), Open: true})
	})
}

// noteEnd notes how the newest op that is open ended.
func (r *run) noteEnd(op string, err error) {
	r.noteProgress(func(list []Progress) []Progress {
		for i, p := range slices.Backward(list) {
			if p.Open && p.Op == op {
				list[i] = p.ended(time.Now(), err)
				break
			}
		}
		return list
	})
}

// noteProgress edits a copy of the list: others hold snapshots of the action.
func (r *run) noteProgress(edit func([]Progress) []Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.a.Progress = edit(slices.Clone(r.a.Progress))
}

func (p Progress) ended(at time.Time, err error) Progress {
	p.Open, p.Took = false, at.Sub(p.At).Round(time.Millisecond)
	if err != nil {
		p.Error = err.Error()
		p.Error = p.Error[:min(len(p.Error), maxProgressError)]
	}
	return p
}

// endProgress ends what is still open: a new state ends whatever went on in the one before.
func (a *Action) endProgress(at time.Time) {
	a.Progress = slices.Clone(a.Progress)
	for i, p := range a.Progress {
		if p.Open {
			a.Progress[i] = p.ended(at, nil)
		}
	}
}

// cutShort notes that an earlier process did not come to the end of what is open. When it died is not
// known, so neither is how long that took.
func (r *run) cutShort() {
	r.noteProgress(func(list []Progress) []Progress {
		for i, p := range list {
			if p.Open {
				list[i].Open, list[i].Error = false, "engramd ended meanwhile"
			}
		}
		return list
	})
}
