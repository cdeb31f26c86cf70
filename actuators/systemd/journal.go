package systemd

import (
	"bytes"
	"context"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Bounds of what is read of a unit's journal.
const (
	journalFor   = 5 * time.Second
	journalLines = 20
	journalBytes = 4 << 10
)

// lastLines are the last lines that a unit wrote to the journal since an instant, ready to be added to
// a sentence; "" if they cannot be had. The libraries that read the journal's files need cgo
// (go-systemd's sdjournal wraps libsystemd), so journalctl reads them; it changes nothing.
func lastLines(ctx context.Context, i instance, since time.Time) string {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalFor)
	defer cancel()
	args := []string{"--no-pager", "--quiet", "--output=cat", "--lines=" + strconv.Itoa(journalLines), "--since=@" + strconv.FormatInt(since.Unix(), 10)}
	if i.User {
		args = append(args, "--user")
	}
	cmd := exec.CommandContext(bounded, "journalctl", append(args, "--unit="+i.Unit)...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil || len(bytes.TrimSpace(out)) == 0 {
		return ""
	}
	text := strings.ToValidUTF8(string(out), "?")
	if cut := len(text) - journalBytes; cut > 0 {
		text = strings.ToValidUTF8(text[cut:], "")
	}
	return "; the last lines of its journal:\n" + strings.TrimSpace(text)
}
