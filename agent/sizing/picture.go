package sizing

import (
	"fmt"
	"image/color"
	"io"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/engramd/engramd/policy/replay"
)

// The size of a picture, and how many points of a line are worth drawing in it.
const (
	pictureWidth  = 12 * vg.Inch
	pictureHeight = 4 * vg.Inch
	picturePoints = 2000
	legendRoom    = 1.25 // above the highest point
)

var (
	demandColour = color.RGBA{R: 0x1f, G: 0x77, B: 0xb4, A: 0xff}
	limitColour  = color.RGBA{R: 0xd6, G: 0x27, B: 0x28, A: 0xff}
	fillColour   = color.NRGBA{R: 0x1f, G: 0x77, B: 0xb4, A: 0x50}
)

// PictureFormats are the endings that Draw knows.
func PictureFormats() []string { return []string{"svg", "png"} }

// Draw writes a picture of demand, limit and actions over the days of the recording, in the format of a
// file name's ending.
func Draw(w io.Writer, name string, t replay.Trace, r replay.Result) error {
	format := strings.TrimPrefix(strings.ToLower(filepath.Ext(name)), ".")
	p := plot.New()
	p.Title.Text = fmt.Sprintf("%s on %s: slack %.1f%%, unmet %.2f%%, %.1f actions a day", r.Policy, t.Name, r.Slack, r.Unmet, r.ActionsPerDay)
	p.X.Label.Text, p.Y.Label.Text = "days", "cores"
	p.Add(plotter.NewGrid())
	if err := addLines(p, t, r); err != nil {
		return fmt.Errorf("draw %s: %w", name, err)
	}
	out, err := p.WriterTo(pictureWidth, pictureHeight, format)
	if err != nil {
		return fmt.Errorf("draw %s: %w: want a name that ends in .%s", name, err, strings.Join(PictureFormats(), " or ."))
	}
	_, err = out.WriteTo(w)
	return err
}

func addLines(p *plot.Plot, t replay.Trace, r replay.Result) error {
	demand, err := plotter.NewLine(thinned(t.Demand))
	if err != nil {
		return err
	}
	demand.Color, demand.FillColor = demandColour, fillColour
	limit, err := plotter.NewLine(thinned(r.Limits))
	if err != nil {
		return err
	}
	limit.Color, limit.StepStyle = limitColour, plotter.PostStep
	p.Add(demand, limit)
	p.Legend.Add("demand", demand)
	p.Legend.Add("limit", limit)
	p.Legend.Top = true
	p.Y.Min, p.Y.Max = 0, p.Y.Max*legendRoom
	if len(r.Actions) == 0 {
		return nil
	}
	var at plotter.XYs
	for _, a := range r.Actions {
		at = append(at, plotter.XY{X: float64(a.Minute) / minutesPerDay, Y: a.To})
	}
	actions, err := plotter.NewScatter(at)
	if err != nil {
		return err
	}
	actions.Color, actions.Radius = limitColour, vg.Points(2)
	p.Add(actions)
	p.Legend.Add("action", actions)
	return nil
}

const minutesPerDay = 24 * 60

// thinned is a line with the largest of each stretch of minutes, so that no peak gets lost.
func thinned(values []float64) plotter.XYs {
	width := max(1, len(values)/picturePoints)
	var line plotter.XYs
	for i := 0; i < len(values); i += width {
		top := values[i]
		for _, v := range values[i:min(i+width, len(values))] {
			top = max(top, v)
		}
		line = append(line, plotter.XY{X: float64(i) / minutesPerDay, Y: top})
	}
	return line
}
