package view

import (
	"math"
	"strconv"
	"time"

	"github.com/engramd/engramd/agent/api"
)

// progress tells what an action did, thing by thing, how long each took, and what the scaling guide says
// of it.
func (v View) progress(p *page, a api.ActionView) {
	if len(a.Progress) == 0 {
		return
	}
	p.title("What was done, and how long it took")
	var rows [][]string
	for _, one := range a.Progress {
		text := one.Text
		if one.Error != "" {
			text += ": " + one.Error
		}
		rows = append(rows, []string{v.clock(one.At), took(one), text, guideStep(one.Guide)})
	}
	p.table("  ", []string{"BEGAN", "TOOK", "WHAT", "THE GUIDE"}, rows)
	if g := a.Guide; g != nil {
		text := "For the whole"
		if g.TookSeconds != nil {
			text = "In all " + seconds(*g.TookSeconds) + " from the first change until it was in service again;"
		}
		p.line("  %s the guide (%s) expects %s%s.", text, g.Procedure, g.Expected, over(g.Over))
	}
}

// took writes how long one thing took.
func took(p api.ProgressView) string {
	switch {
	case p.TookSeconds != nil:
		return seconds(*p.TookSeconds)
	case p.Error != "":
		return "?"
	}
	return "..."
}

// seconds writes a time with three digits at most.
func seconds(s float64) string {
	switch {
	case s < 1:
		return strconv.FormatFloat(math.Round(s*1000), 'f', -1, 64) + "ms"
	case s < 60:
		return strconv.FormatFloat(math.Round(s*10)/10, 'f', -1, 64) + "s"
	}
	return length(time.Duration(s * float64(time.Second)))
}

// guideStep writes what the guide says.
func guideStep(g *api.GuideStepView) string {
	if g == nil {
		return "-"
	}
	text := g.Step + ": " + g.Text
	if g.Expected != "" {
		text += " (" + g.Expected + ")"
	}
	return text + over(g.Over)
}

func over(is bool) string {
	if is {
		return ", exceeded"
	}
	return ""
}
