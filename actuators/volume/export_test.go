package volume

import (
	"context"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// What tests put in the place of the kernel and of tools.
type (
	Usage  = usage
	Extent = extent
	Tool   = func(ctx context.Context, argv ...string) (string, error)
)

// A Fake is a host for tests.
type Fake struct {
	Root   string
	Usage  func(path string) (Usage, error)
	Extent func(path, device string) (Extent, error)
	Find   func(tool string) (string, error)
	Run    Tool
	Wait   time.Duration
}

// NewFake returns a driver over a host that is not there.
func NewFake(f Fake) *Driver {
	return newDriver(nil, &system{
		root: f.Root, usage: f.Usage, find: f.Find, run: f.Run,
		extent: func(m mount, device string) (extent, error) { return f.Extent(m.point, device) },
		born:   func(string) time.Time { return time.Unix(1700000000, 0) },
		wait:   patience{all: f.Wait, every: time.Millisecond},
	}, connect)
}

// Forget has what AWS said of its volumes asked for again.
func (d *Driver) Forget() {
	d.clouds.mu.Lock()
	defer d.clouds.mu.Unlock()
	for _, w := range d.clouds.all {
		w.mu.Lock()
		w.at = time.Time{}
		w.mu.Unlock()
	}
}

// Unused reports whether a state shows a file system that did not follow its disk.
func Unused(t policy.Target, st actuators.State) (bool, error) {
	f, err := factsOf(t, st)
	return f.behind(), err
}

var (
	ParseMounts = func(text string) (n int, err error) {
		all, err := parseMounts(text)
		return len(all), err
	}
	ParseExt    = parseExt
	ParseWork   = parseWork
	ParseAnswer = parseAnswer
	IsGPT       = isGPT
	TimeIn      = timeIn
	RunTool     = runTool
	Check       = check
)
