package api

import (
	"time"

	"github.com/engramd/engramd/actuators"
)

// A ProgressView is one thing that was done on an action's way, with how long it took, and the step of
// the scaling guide's procedure that it is.
type ProgressView struct {
	Op   string    `json:"op"`
	Kind string    `json:"kind,omitempty"` // of the driver's step
	Text string    `json:"text"`
	At   time.Time `json:"at"`
	// TookSeconds is absent while it is under way, and where nobody knows.
	TookSeconds *float64       `json:"took_seconds,omitempty"`
	Error       string         `json:"error,omitempty"`
	Guide       *GuideStepView `json:"guide,omitempty"`
}

// A GuideStepView is what the guide says of a step.
type GuideStepView struct {
	Step     string `json:"step"` // "5", "3-4", "before", "after"
	Text     string `json:"text"`
	Expected string `json:"expected,omitempty"` // how long it may take, in the guide's words
	// Over says that all that was done of the step took longer.
	Over bool `json:"over,omitempty"`
}

// A GuideView is the guide's procedure for what an action did with a restart.
type GuideView struct {
	Procedure string `json:"procedure"`
	Expected  string `json:"expected"` // how long the whole takes, in the guide's words
	// TookSeconds is from the first change until the target was in service again; absent until then.
	TookSeconds *float64 `json:"took_seconds,omitempty"`
	Over        bool     `json:"over,omitempty"`
}

// viewProgress shows what was done beside what the guide expects.
func viewProgress(a actuators.Action) (views []ProgressView) {
	guide, guided := actuators.GuideFor(a.Driver)
	spent := map[string]time.Duration{} // by step of the guide
	for _, p := range a.Progress {
		v := ProgressView{Op: p.Op, Kind: p.Kind, Text: p.Text, At: p.At, Error: p.Error}
		if !p.Open && (p.Took > 0 || p.Error == "") {
			v.TookSeconds = new(p.Took.Seconds())
		}
		if s, ok := guide.Step(p); guided && ok {
			spent[s.Numbers] += p.Took
			v.Guide = &GuideStepView{Step: s.Numbers, Text: s.Text, Expected: s.Expected, Over: s.Most > 0 && spent[s.Numbers] > s.Most}
		}
		views = append(views, v)
	}
	return views
}

// viewGuide shows the procedure of a restart, nil where the guide has none.
func viewGuide(a actuators.Action) *GuideView {
	guide, ok := actuators.GuideFor(a.Driver)
	if !ok || a.Plan.Strategy != "restart" || len(a.Progress) == 0 {
		return nil
	}
	v := &GuideView{Procedure: guide.Name, Expected: guide.Expected}
	if took, ok := a.Took(); ok {
		v.TookSeconds, v.Over = new(took.Seconds()), took > guide.Most
	}
	return v
}
