package volume

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/engramd/engramd/actuators"
)

// The tools, and the packages that hold them.
var packages = map[string]string{
	"growpart":   "cloud-guest-utils (Debian), cloud-utils-growpart (Fedora)",
	"partx":      "util-linux",
	"resize2fs":  "e2fsprogs",
	"xfs_growfs": "xfsprogs",
}

// toolDirs are where tools are looked for: not in PATH, which the environment sets.
var toolDirs = []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin"}

func findTool(tool string) (string, error) {
	for _, dir := range toolDirs {
		file := filepath.Join(dir, tool)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("%w: %s is not installed: install %s", actuators.ErrRefused, tool, packages[tool])
}

// saidAtMost is how much of a tool's output an error tells: its end.
const saidAtMost = 1500

// endsWithin is how long a tool may take to end once it was asked to. It is never killed before that:
// what it began on the disk, it should finish.
const endsWithin = 20 * time.Second

// runTool runs a tool in a process group of its own, so that what ends engramd at a terminal does not
// end it half-way.
func runTool(ctx context.Context, argv ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = []string{"LC_ALL=C", "PATH=" + strings.Join(toolDirs, ":"), "HOME=/", "TMPDIR=" + os.TempDir()}
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = endsWithin
	err := cmd.Run()
	return out.String(), err
}

// do runs a tool by its name and puts what it said into the error.
func (s *system) do(ctx context.Context, tool string, args ...string) (string, error) {
	file, err := s.find(tool)
	if err != nil {
		return "", err
	}
	out, err := s.run(ctx, append([]string{file}, args...)...)
	if err == nil {
		return out, nil
	}
	text := strings.Join(append([]string{tool}, args...), " ")
	if ctx.Err() != nil {
		return out, fmt.Errorf("%w: %s: ended before it was done: %w%s", actuators.ErrTransient, text, context.Cause(ctx), said(out))
	}
	return out, fmt.Errorf("%s: %w%s", text, err, said(out))
}

// said is the end of what a tool wrote, on one line.
func said(out string) string {
	out = strings.ToValidUTF8(strings.Join(strings.Fields(out), " "), "?")
	if len(out) > saidAtMost {
		out = "..." + strings.ToValidUTF8(out[len(out)-saidAtMost:], "")
	}
	if out == "" {
		return ""
	}
	return ": " + out
}
