package kubernetes

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func layout(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const v2 = "30 29 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"

const v1 = "31 29 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n32 29 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

// TestGroupsOnTheNode finds a container by the names that kubelets and runtimes give its group.
func TestGroupsOnTheNode(t *testing.T) {
	tests := []struct {
		name, mounts string
		class        corev1.PodQOSClass
		files        []string // of the group
		want         string
	}{
		{"cgroupfs, v2", v2, corev1.PodQOSBurstable, []string{"sys/fs/cgroup/kubepods/burstable/poda-b/" + newID}, "/kubepods/burstable/poda-b/" + newID},
		{"cgroupfs, guaranteed", v2, corev1.PodQOSGuaranteed, []string{"sys/fs/cgroup/kubepods/poda-b/" + newID}, "/kubepods/poda-b/" + newID},
		{
			"cgroupfs, v1", v1, corev1.PodQOSBestEffort,
			[]string{"sys/fs/cgroup/cpu,cpuacct/kubepods/besteffort/poda-b/" + newID, "sys/fs/cgroup/memory/kubepods/besteffort/poda-b/" + newID},
			"/kubepods/besteffort/poda-b/" + newID,
		},
		{
			"systemd and containerd", v2, corev1.PodQOSBurstable,
			[]string{"sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-poda_b.slice/cri-containerd-" + newID + ".scope"},
			"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-poda_b.slice/cri-containerd-" + newID + ".scope",
		},
		{
			"systemd and cri-o, guaranteed", v2, corev1.PodQOSGuaranteed,
			[]string{"sys/fs/cgroup/kubepods.slice/kubepods-poda_b.slice/crio-" + newID + ".scope"},
			"/kubepods.slice/kubepods-poda_b.slice/crio-" + newID + ".scope",
		},
		{
			"a node in a container", v2, corev1.PodQOSBurstable,
			[]string{"sys/fs/cgroup/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-poda_b.slice/cri-containerd-" + newID + ".scope"},
			"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-poda_b.slice/cri-containerd-" + newID + ".scope",
		},
		{"another pod's", v2, corev1.PodQOSBurstable, []string{"sys/fs/cgroup/kubepods/burstable/podc-d/" + newID}, ""},
		{"another life", v2, corev1.PodQOSBurstable, []string{"sys/fs/cgroup/kubepods/burstable/poda-b/" + oldID}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{"proc/self/mountinfo": tt.mounts}
			for _, f := range tt.files {
				files[f+"/cgroup.procs"] = "77\n"
			}
			l := local{root: layout(t, files)}
			p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "a-b"}, Status: corev1.PodStatus{QOSClass: tt.class}}
			for range 2 {
				if pid, group := l.find(Spec{}, p, newID); pid != 0 || group != tt.want {
					t.Errorf("want %q, got %q of process %d", tt.want, group, pid)
				}
			}
		})
	}
}

// TestProcessesBesideUs finds the container next to a sidecar, and only for one: elsewhere all processes
// of the host would have to be looked at.
func TestProcessesBesideUs(t *testing.T) {
	group := "/../cri-containerd-" + newID + ".scope"
	files := map[string]string{
		"proc/self/mountinfo": v2, "proc/1/cgroup": "0::/../cri-containerd-" + oldID + ".scope\n", "proc/7/cgroup": "0::/\n",
		"proc/12/cgroup": "0::" + group + "\n", "proc/12/mountinfo": "40 39 0:26 " + group + " /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n",
		"proc/12/root/sys/fs/cgroup/cpu.max": "max 100000\n", "sys/fs/cgroup/cpu.max": "max 100000\n",
		"proc/9/cgroup": "no cgroup\n", "proc/stat": "cpu\n",
	}
	root := layout(t, files)
	l := local{root: root}
	if pid, _ := l.find(Spec{Deployment: "web"}, corev1.Pod{}, newID); pid != 0 {
		t.Errorf("of a Deployment process %d was found", pid)
	}
	l = local{root: root}
	for range 2 {
		if pid, group := l.find(Spec{Self: true}, corev1.Pod{}, newID); pid != 12 || group != "" {
			t.Errorf("got %d, %q", pid, group)
		}
	}
	// The number goes to another process.
	if err := os.WriteFile(filepath.Join(root, "proc/12/cgroup"), []byte("0::/\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if pid, _ := l.find(Spec{Self: true}, corev1.Pod{}, newID); pid != 0 {
		t.Errorf("process %d is not the container's", pid)
	}
	for _, id := range []string{"", "ab", "../../../etc", "pod-1"} {
		if pid, group := l.find(Spec{Self: true}, corev1.Pod{}, id); pid != 0 || group != "" {
			t.Errorf("id %q: %d, %q", id, pid, group)
		}
	}
}
