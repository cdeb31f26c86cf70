package volume

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/engramd/engramd/actuators"
)

// rateNote is what AWS allows, as its API reference has it since January 2026; before, it was one
// modification in six hours.
const rateNote = "AWS allows four modifications of a volume in 24 hours, and none before the last one is completed, which takes minutes to hours: the next growth has to wait for that"

// rateWait is how long a volume is left alone after AWS has refused a modification as one too many and
// not said until when: the shortest wait that it ever asked for.
const rateWait = 6 * time.Hour

// How long what AWS said of a volume is believed, while a modification is under way and else; and how
// long one look may take, since the host is to be observed beside it.
const (
	seenBusy   = 30 * time.Second
	seenCalm   = 5 * time.Minute
	seenWithin = 3 * time.Second
)

// A cloud is what AWS says of a volume.
type cloud struct {
	GiB int64 `json:"gib,omitempty"`
	// Modification is the last one, if there was one lately.
	Modification *modification `json:"modification,omitempty"`
	// NotBefore is until when AWS refuses further modifications, as far as that is known.
	NotBefore time.Time `json:"not_before,omitzero"`
	Why       string    `json:"why,omitempty"`     // that is
	Unknown   string    `json:"unknown,omitempty"` // why nothing is known
}

// A modification is one of a volume's size.
type modification struct {
	State    string    `json:"state"` // modifying, optimizing, completed or failed
	GiB      int64     `json:"gib"`   // that it goes to
	Progress int64     `json:"progress"`
	Message  string    `json:"message,omitempty"`
	Began    time.Time `json:"began,omitzero"`
}

// The states of a modification. While it is optimizing the volume has its new size already.
const (
	modifying  = "modifying"
	optimizing = "optimizing"
	completed  = "completed"
	failed     = "failed"
)

func (m *modification) underWay() bool {
	return m != nil && (m.State == modifying || m.State == optimizing)
}

// ebs is what is used of EC2.
type ebs interface {
	volume(ctx context.Context, id string) (gib int64, last *modification, err error)
	modify(ctx context.Context, id string, gib int64, dryRun bool) error
}

// dial connects to EC2 for one volume.
type dial func(ctx context.Context, a AWS) (ebs, error)

// clouds are the volumes of EBS that were asked for, with what was last seen of each.
type clouds struct {
	dial dial
	wait patience
	mu   sync.Mutex
	all  map[AWS]*watched
}

type watched struct {
	calls sync.Mutex // held as long as something is asked or waited for: one at a time
	api   ebs

	mu   sync.Mutex
	last cloud
	at   time.Time // of last
}

func (w *watched) known() (cloud, time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, w.at
}

func newClouds(dial dial, wait patience) *clouds {
	return &clouds{dial: dial, wait: wait, all: map[AWS]*watched{}}
}

func (c *clouds) of(a AWS) *watched {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.all[a]
	if w == nil {
		w = &watched{}
		c.all[a] = w
	}
	return w
}

// seen is what is known of a volume, asked for again once that is old. What cannot be known is no
// reason not to see the host.
func (c *clouds) seen(ctx context.Context, a AWS) cloud {
	w := c.of(a)
	if !w.calls.TryLock() { // whoever has it looks all the time
		last, _ := w.known()
		return last
	}
	defer w.calls.Unlock()
	last, at := w.known()
	old := seenCalm
	if last.Modification.underWay() || last.Unknown != "" {
		old = seenBusy
	}
	if at.IsZero() || time.Since(at) > old {
		bounded, cancel := context.WithTimeout(ctx, seenWithin)
		defer cancel()
		last, _ = w.look(bounded, c.dial, a) // which says what is unknown
	}
	return last
}

// look asks AWS. Its caller holds calls.
func (w *watched) look(ctx context.Context, dial dial, a AWS) (cloud, error) {
	was, _ := w.known()
	now := cloud{NotBefore: was.NotBefore, Why: was.Why}
	api, err := w.client(ctx, dial, a)
	if err == nil {
		now.GiB, now.Modification, err = api.volume(ctx, a.VolumeID)
	}
	if err != nil {
		now.Unknown = err.Error()
	}
	if !now.NotBefore.IsZero() && time.Now().After(now.NotBefore) {
		now.NotBefore, now.Why = time.Time{}, ""
	}
	w.note(now)
	return now, err
}

func (w *watched) note(now cloud) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.at = now, time.Now()
}

func (w *watched) client(ctx context.Context, dial dial, a AWS) (ebs, error) {
	if w.api != nil {
		return w.api, nil
	}
	api, err := dial(ctx, a)
	if err == nil {
		w.api = api
	}
	return api, err
}

// free refuses while AWS would refuse a modification, and says until when.
func (c cloud) free(a AWS) error {
	if m := c.Modification; m.underWay() {
		return refused("volume %s is still %s after the modification of %s (%d%% done), and AWS takes the next one when that is completed%s",
			a.VolumeID, m.State, clock(m.Began), m.Progress, m.expected())
	}
	if !c.NotBefore.IsZero() {
		return refused("AWS takes no modification of %s before %s: %s", a.VolumeID, clock(c.NotBefore), c.Why)
	}
	return nil
}

// expected is when a modification will be done if it goes on as it did.
func (m *modification) expected() string {
	if m.Progress <= 0 || m.Progress > 100 || m.Began.IsZero() {
		return " (it takes minutes to hours)"
	}
	took := time.Since(m.Began)
	return ", about " + clock(m.Began.Add(took*100/time.Duration(m.Progress)))
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// fits refuses a volume of which nothing is known, or that is not the disk.
func (c cloud) fits(a AWS, d device) error {
	id := strings.ReplaceAll(a.VolumeID, "-", "")
	switch serial := strings.ReplaceAll(d.Serial, "-", ""); {
	case strings.HasPrefix(serial, "vol") && serial != id:
		return refused("the disk /dev/%s is the volume %s, not %s: put volume_id right", d.Disk, d.Serial, a.VolumeID)
	case c.Unknown != "":
		return refused("what AWS has of volume %s is not known: %s", a.VolumeID, c.Unknown)
	case serial == id, c.Modification.underWay() && c.GiB*gib >= d.DiskBytes:
		return nil
	case c.GiB*gib != d.DiskBytes:
		return refused("volume %s has %d GiB and the disk /dev/%s %s: is it another one? (its serial number does not tell)",
			a.VolumeID, c.GiB, d.Disk, show(d.DiskBytes))
	}
	return nil
}

// mayModify asks AWS whether a modification would be allowed, without making it.
func (c *clouds) mayModify(ctx context.Context, a AWS, gib int64) error {
	w := c.of(a)
	w.calls.Lock()
	defer w.calls.Unlock()
	now, err := w.look(ctx, c.dial, a)
	if err != nil || now.done(gib) {
		return err
	}
	if err := now.free(a); err != nil {
		return err
	}
	return w.api.modify(ctx, a.VolumeID, gib, true)
}

// done reports whether a volume has the size, or is on its way to it.
func (c cloud) done(gib int64) bool {
	return c.GiB >= gib || c.Modification.underWay() && c.Modification.GiB >= gib
}

// modify asks for a size and waits until the volume has it. A predecessor may have asked.
func (c *clouds) modify(ctx context.Context, a AWS, gib int64) error {
	w := c.of(a)
	w.calls.Lock()
	defer w.calls.Unlock()
	for began, asked := time.Now(), false; ; {
		now, err := w.look(ctx, c.dial, a)
		if err != nil {
			return err
		}
		switch m := now.Modification; {
		case now.GiB >= gib && (m == nil || m.State != modifying):
			return nil
		case m != nil && m.State == failed && asked:
			return refused("AWS could not modify %s: %s", a.VolumeID, m.Message)
		case !asked && !now.done(gib):
			if err := w.ask(ctx, a, gib, now); err != nil {
				return err
			}
			asked = true
		}
		if err := now.patient(ctx, c.wait, a, began); err != nil {
			return err
		}
	}
}

// ask makes the request, and remembers until when AWS refuses it.
func (w *watched) ask(ctx context.Context, a AWS, gib int64, now cloud) error {
	if err := now.free(a); err != nil {
		return err
	}
	err := w.api.modify(ctx, a.VolumeID, gib, false)
	if errors.Is(err, errRate) {
		now.NotBefore, now.Why = time.Now().Add(rateWait), err.Error()
		if t, ok := timeIn(err.Error(), time.Now()); ok {
			now.NotBefore = t
		}
		w.note(now)
	}
	return err
}

// patient waits a while, and in the end says what it waits for.
func (c cloud) patient(ctx context.Context, wait patience, a AWS, began time.Time) error {
	waits := fmt.Errorf("%w: volume %s does not have its new size yet", actuators.ErrTransient, a.VolumeID)
	if m := c.Modification; m != nil {
		waits = fmt.Errorf("%w (%s, %d%%%s)", waits, m.State, m.Progress, colon(m.Message))
	}
	if time.Since(began) > wait.all {
		return waits
	}
	if err := sleep(ctx, wait.every); err != nil {
		return fmt.Errorf("%w: %w", waits, err)
	}
	return nil
}

func colon(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}
