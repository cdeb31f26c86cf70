package kubernetes

import (
	"cmp"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/engramd/engramd/actuators/cgroup"
)

// local finds containers whose control group can be read on this host: on the node itself by the path
// that the kubelet gives it, in a sidecar by the processes of a shared process namespace.
type local struct {
	root string // where proc and sys are; "" is "/"

	mu    sync.Mutex
	found map[string]place // by container id
}

// A place is where a container is on this host; the zero place is elsewhere.
type place struct {
	pid    int
	cgroup string
}

// mostFound bounds what is remembered: containers come and go.
const mostFound = 1024

// find returns the container's first process and its control group. An id is told to one container
// alone, so whatever has it in its path is that.
func (l *local) find(spec Spec, p corev1.Pod, id string) (pid int, group string) {
	if !isContainerID(id) {
		return 0, ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	root := cmp.Or(l.root, "/")
	if at, ok := l.found[id]; ok && at.holds(root, id) {
		return at.pid, at.cgroup
	}
	at := place{pid: processOf(root, spec, id)}
	if at.pid == 0 {
		at.cgroup = groupOf(root, p, id)
	}
	if at == (place{}) && spec.Self {
		return 0, "" // its processes may show later
	}
	if l.found == nil || len(l.found) >= mostFound {
		l.found = make(map[string]place)
	}
	l.found[id] = at
	return at.pid, at.cgroup
}

// holds reports whether a place is still the container's. One that is not on this host never will be.
func (p place) holds(root, id string) bool {
	switch {
	case p.pid != 0:
		g, err := cgroup.Find(root, p.pid)
		return err == nil && strings.Contains(g.Path, id) // another process may have its number by now
	case p.cgroup != "":
		_, err := cgroup.At(root, p.cgroup)
		return err == nil
	}
	return true
}

// isContainerID keeps what is no id, and might match anything, away from paths.
func isContainerID(id string) bool {
	return len(id) >= 12 && strings.Trim(id, "0123456789abcdef") == ""
}

// groupOf finds the control group of a container that the node's kubelet runs, "" if it is not on this
// host.
func groupOf(root string, p corev1.Pod, id string) string {
	for _, group := range groupPaths(p, id) {
		if _, err := cgroup.At(root, group); err == nil {
			return group
		}
	}
	return ""
}

// groupPaths are the paths by which a kubelet and a runtime name a container's group, with the cgroupfs
// and the systemd driver, with and without a node that is itself a container.
func groupPaths(p corev1.Pod, id string) []string {
	class := strings.ToLower(string(p.Status.QOSClass))
	if p.Status.QOSClass == corev1.PodQOSGuaranteed {
		class = ""
	}
	uid := cmp.Or(p.Annotations["kubernetes.io/config.hash"], string(p.UID)) // of a static pod it is another
	var paths []string
	for _, above := range []string{"", "kubelet"} {
		paths = append(paths, path.Join("/", above, "kubepods", class, "pod"+uid, id))
		slice, dir := "", "/"
		for _, part := range []string{above, "kubepods", class, "pod" + strings.ReplaceAll(uid, "-", "_")} {
			if part == "" {
				continue
			}
			slice = strings.TrimPrefix(slice+"-"+part, "-")
			dir = path.Join(dir, slice+".slice")
		}
		for _, runtime := range []string{"cri-containerd-", "crio-", "docker-"} {
			paths = append(paths, path.Join(dir, runtime+id+".scope"))
		}
	}
	return paths
}

// processOf finds the first process of a container beside us in one pod, 0 if the pod's containers do
// not share their processes or it cannot be read.
func processOf(root string, spec Spec, id string) int {
	if !spec.Self {
		return 0
	}
	entries, err := os.ReadDir(filepath.Join(root, "proc"))
	if err != nil {
		return 0
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid > 1 {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	for _, pid := range pids {
		g, err := cgroup.Find(root, pid)
		if err == nil && strings.Contains(g.Path, id) {
			return pid
		}
	}
	return 0
}
