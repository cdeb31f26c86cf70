package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Version is that of Kubernetes in recipe/go.mod.
const Version = "v1.36.3"

// A program is built from a package of the recipe's module.
type program struct {
	name, pkg string
	tags      string
}

func programs() []program {
	const kubernetes, containerd = "k8s.io/kubernetes/cmd/", "github.com/containerd/containerd/v2/cmd/"
	const small = "no_btrfs,no_devmapper,no_zfs"
	return []program{
		{name: "etcd", pkg: "./etcd"},
		{name: "kube-apiserver", pkg: kubernetes + "kube-apiserver"},
		{name: "kubelet", pkg: kubernetes + "kubelet"},
		{name: "kube-controller-manager", pkg: kubernetes + "kube-controller-manager"},
		{name: "kube-scheduler", pkg: kubernetes + "kube-scheduler"},
		{name: "containerd", pkg: containerd + "containerd", tags: small},
		{name: "containerd-shim-runc-v2", pkg: containerd + "containerd-shim-runc-v2", tags: small},
		{name: "ctr", pkg: containerd + "ctr", tags: small},
	}
}

// cachePrefix begins the name of the directory of one recipe's programs.
const cachePrefix = "kubernetes-"

// unusedFor is how long the programs of another recipe, such as another branch's, are kept after their last use.
const unusedFor = 7 * 24 * time.Hour

// Programs builds what a node is made of, and returns the directory. The first build takes ten minutes on two cores; the
// programs are kept in the user's cache directory under a hash of the recipe.
func Programs() (dir string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "engramd-testenv")
	recipe, err := recipeDir()
	if err != nil {
		return "", err
	}
	hash, err := recipeHash(recipe)
	if err != nil {
		return "", err
	}
	dir = filepath.Join(cache, cachePrefix+hash)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	now := time.Now()
	if err := os.Chtimes(dir, now, now); err != nil { // in use: not to be swept
		return "", err
	}
	sweepPrograms(cache, dir)
	return dir, buildAll(recipe, dir)
}

// buildAll builds what is missing. One process at a time does: a second build beside it would only be slower.
func buildAll(recipe, dir string) error {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock the build: %w", err)
	}
	for _, p := range programs() {
		if _, err := os.Stat(filepath.Join(dir, p.name)); err == nil {
			continue
		}
		if err := p.build(recipe, dir); err != nil {
			return err
		}
	}
	return nil
}

// build makes a program complete before it gets its name.
func (p program) build(recipe, dir string) error {
	scratch, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	made := filepath.Join(scratch, p.name)
	args := []string{"build", "-trimpath", "-ldflags", linkerFlags(), "-o", made}
	if p.tags != "" {
		args = append(args, "-tags", p.tags)
	}
	cmd := exec.Command("go", append(args, p.pkg)...)
	cmd.Dir = recipe
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w:\n%s", p.name, err, out[max(0, len(out)-2000):])
	}
	return os.Rename(made, filepath.Join(dir, p.name))
}

// linkerFlags say the version, without which the API server would call itself v0.0.0.
func linkerFlags() string {
	const pkg = "k8s.io/component-base/version."
	number := strings.Split(strings.TrimPrefix(Version, "v"), ".")
	return fmt.Sprintf("-s -w -X %sgitVersion=%s -X %sgitMajor=%s -X %sgitMinor=%s", pkg, Version, pkg, number[0], pkg, number[1])
}

// recipeDir is where the recipe's module lies: beside this package, in whatever module's cache or tree that is.
func recipeDir() (string, error) {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/engramd/engramd/testenv/kubernetes").Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("find the recipe: %w: %s", err, exit.Stderr)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "recipe"), err
}

// recipeHash covers the versions of all modules, our own source, and how it is built.
func recipeHash(recipe string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOARCH, programs(), linkerFlags())
	for _, name := range []string{"go.mod", "go.sum", "etcd/main.go"} {
		content, err := os.ReadFile(filepath.Join(recipe, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
	}
	return hex.EncodeToString(sum.Sum(nil)[:12]), nil
}

// sweepPrograms removes the programs of other recipes that nobody has used for long.
func sweepPrograms(cache, mine string) {
	others, _ := filepath.Glob(filepath.Join(cache, cachePrefix+"*")) // the pattern is good
	for _, other := range others {
		if info, err := os.Stat(other); err == nil && other != mine && time.Since(info.ModTime()) > unusedFor {
			_ = os.RemoveAll(other) // what cannot be removed costs room, no more
		}
	}
}
