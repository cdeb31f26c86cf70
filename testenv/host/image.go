package host

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// recipe is a shell script that makes an image in its working directory.
//
//go:embed image.sh
var recipe string

// debian is where packages come from, unless ENGRAMD_DEBIAN_MIRROR names another place.
const debian = "http://deb.debian.org/debian"

// An image is what a machine boots from: files in the user's cache directory that nothing ever changes.
type image struct{ dir string }

func (i image) disk() string   { return filepath.Join(i.dir, "disk.img") }
func (i image) kernel() string { return filepath.Join(i.dir, "vmlinuz") }
func (i image) initrd() string { return filepath.Join(i.dir, "initrd.img") }

// findImage returns the image of the recipe, and makes it if it is not there.
func findImage() (image, error) {
	home, err := os.UserCacheDir()
	if err != nil {
		return image{}, err
	}
	return cache{filepath.Join(home, "engramd-testenv", "host"), recipeKey(), follow}.find()
}

// A cache keeps the image of one recipe in a directory. Of the processes that want it one makes it, in a directory of its own
// that becomes the image by its last step: what a killed one leaves is no image.
type cache struct {
	dir, key string
	make     func(dir string) error
}

func (c cache) find() (image, error) {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return image{}, err
	}
	lock, err := os.OpenFile(filepath.Join(c.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return image{}, err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return image{}, fmt.Errorf("lock %s: %w", c.dir, err)
	}
	ready := image{filepath.Join(c.dir, c.key)}
	if _, err := os.Stat(ready.dir); err == nil {
		return ready, nil
	}
	if err := c.sweep(); err != nil {
		return image{}, err
	}
	return ready, c.fill(ready)
}

func recipeKey() string {
	sum := sha256.Sum256([]byte(runtime.GOARCH + "\n" + recipe))
	return hex.EncodeToString(sum[:12])
}

// sweep removes images of other recipes and what killed builds have left. A machine that runs holds its image open.
func (c cache) sweep() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := os.RemoveAll(filepath.Join(c.dir, e.Name())); err != nil {
				return fmt.Errorf("remove an old image: %w", err)
			}
		}
	}
	return nil
}

func (c cache) fill(to image) error {
	scratch, err := os.MkdirTemp(c.dir, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := c.make(scratch); err != nil {
		return fmt.Errorf("make the host's image: %w", err)
	}
	if err := os.Chmod(scratch, 0o755); err != nil {
		return err
	}
	return os.Rename(scratch, to.dir)
}

// follow carries out the recipe. Its mounts and processes are in namespaces that end with this process.
func follow(dir string) error {
	mirror := os.Getenv("ENGRAMD_DEBIAN_MIRROR")
	if mirror == "" {
		mirror = debian
	}
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-s", mirror)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(recipe)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the kernel sends that signal at the end of this thread
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return errors.Join(err, fmt.Errorf("%s", out[max(0, len(out)-3000):]))
	}
	return nil
}
