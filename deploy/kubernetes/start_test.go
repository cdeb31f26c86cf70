package kubernetes_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/testenv"
	cluster "github.com/engramd/engramd/testenv/kubernetes"
)

// grows is a configuration that makes cpu limits of 100 and 500 thousandths of a core twice as large, once.
const grows = `
version: 1
data_dir: /data
mode: auto
discover: false
listen: {agent: "127.0.0.1:9090", metrics: ":9091"}
node: {enabled: false}
metrics: {source: embedded, interval: 2s}
targets:
  - {name: app, kubernetes: %s, limits: {cpu: {min: 50m, max: 2}}}
policies:
  - name: more
    target: app
    every: 2s
    matrix:
      signals: {limit: 'max(engramd_target_cpu_limit_cores{target="$target"})', used: 'sum(engramd_target_memory_working_set_bytes{target="$target"})'}
      rows:
        - {when: {limit: "< %g", used: ">= 1"}, do: scale, change: {cpu: {by: x2}}, for: 0s}
      otherwise: {do: none}
`

// starts loads engramd's image, and returns what to put in the place of the manifests' images.
func starts(t *testing.T, c *cluster.Cluster) map[string]string {
	t.Helper()
	const engramd = "engramd.test/engramd:1"
	c.Load(t, cluster.Image{
		Name: engramd, Files: map[string]string{"/usr/local/bin/engramd": testenv.Build(t, "cmd/engramd")},
		Command: []string{"/usr/local/bin/engramd", "run"}, User: "65532:65532",
		Env: map[string]string{"PATH": "/usr/local/bin", "ENGRAMD_CONFIG": "/etc/engramd/agent.yaml"},
	})
	return map[string]string{"engram:latest": engramd, "app": c.LoadWorkload(t, "", nil)}
}

// TestE2EAgentStarts applies the agent's manifests as they are, but for the image and a target: it becomes
// ready, sees the target through the kubelet, takes its Lease and resizes it in place.
func TestE2EAgentStarts(t *testing.T) {
	v := variant{dirs: []string{"agent", "storage"}, configs: map[string]string{
		"agent.yaml": fmt.Sprintf(grows, "{deployment: web, container: app}", 0.15),
	}}
	b := newBench(t, "engramd", v)
	v.namespace, v.images = b.namespace, starts(t, b.Cluster)
	b.create(workload("Deployment", "web", v.images["app"], "replicas: 2"))
	b.AwaitPods(t, b.namespace, "app=web", 2)
	b.Apply(t, b.namespace, text(t, v.build(t)))
	agent := b.AwaitPods(t, b.namespace, "app=engramd", 1)[0]

	b.grown("app=web", 2, "200m")
	b.shows(agent, `engramd_target_cpu_seconds_total{`, `pod="web-`)
	lease, err := b.Client().CoordinationV1().Leases(b.namespace).Get(t.Context(), "engramd.deployment.web.app", metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "" {
		t.Errorf("nobody holds the workload: %v, %v", lease.Spec.HolderIdentity, err)
	}
	used, denied := asked(t, b.Cluster, b.user)
	if len(denied) > 0 {
		t.Errorf("denied: %q of %d", denied, len(used))
	}
	testenv.Eventually(t, 30*time.Second, "the workload has an Event of the change", func() bool {
		list, err := b.Client().EventsV1().Events(b.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=engramd"})
		return err == nil && len(list.Items) > 0 && list.Items[0].Regarding.Name == "web"
	})
}

// TestE2ESidecarStarts applies the sidecar's manifests: engramd sees the container beside it through the
// processes that they share, without any right on nodes, and resizes its own pod.
func TestE2ESidecarStarts(t *testing.T) {
	v := variant{dirs: []string{"sidecar"}, configs: map[string]string{
		"agent.yaml": fmt.Sprintf(grows, "{self: true, container: app}", 0.75),
	}}
	b := newBench(t, "engramd-sidecar", v)
	v.namespace, v.images = b.namespace, starts(t, b.Cluster)
	b.Apply(t, b.namespace, text(t, v.build(t)))
	pod := b.AwaitPods(t, b.namespace, "app=app", 1)[0]

	b.grown("app=app", 1, "1")
	b.shows(pod, `engramd_target_cpu_seconds_total{`, `target="app"`)
	b.shows(pod, `engramd_target_memory_anon_bytes{`, `target="app"`) // only the control group says that
	if _, denied := asked(t, b.Cluster, b.user); len(denied) > 0 {
		t.Errorf("denied: %q", denied)
	}
}

// grown waits until each pod's app has that limit, in place.
func (b *bench) grown(selector string, n int, limit string) {
	b.t.Helper()
	testenv.Eventually(b.t, 90*time.Second, "the pods have a limit of "+limit, func() bool {
		pods := b.Pods(b.t, b.namespace, selector)
		grown := 0
		for _, p := range pods {
			for _, s := range p.Status.ContainerStatuses {
				if s.RestartCount > 0 {
					b.t.Fatalf("%s of %s was restarted", s.Name, p.Name)
				}
				if s.Name == "app" && s.Resources != nil && s.Resources.Limits.Cpu().String() == limit {
					grown++
				}
			}
		}
		return len(pods) == n && grown == n
	})
}

// shows waits until engramd in a pod has a metric with all of these words in one line.
func (b *bench) shows(pod corev1.Pod, words ...string) {
	b.t.Helper()
	testenv.Eventually(b.t, time.Minute, "engramd shows "+words[0], func() bool {
		answer, err := http.Get("http://" + pod.Status.PodIP + ":9091/metrics")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		page, err := io.ReadAll(answer.Body)
		if err != nil {
			return false
		}
		for line := range strings.Lines(string(page)) {
			all := true
			for _, w := range words {
				all = all && strings.Contains(line, w)
			}
			if all {
				return true
			}
		}
		return false
	})
}
