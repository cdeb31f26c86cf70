package kubernetes_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/policy"
)

// uses has the kubelet of target's only pod show that its container uses so much memory.
func (m *model) uses(target policy.Target, bytes int64) {
	m.t.Helper()
	pod := m.list("web")[0].Name
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		of := fmt.Sprintf("{namespace=%q,pod=%q,container=%q}", namespace, pod, "app")
		fmt.Fprintf(w, "container_cpu_usage_seconds_total%s 1\ncontainer_memory_working_set_bytes%s 1e6\ncontainer_memory_usage_bytes%s %d\n", of, of, of, bytes)
	}))
	m.t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	m.must(err)
	port, err := strconv.Atoi(u.Port())
	m.must(err)
	target.Specs["kubernetes"].(*kubernetes.Spec).Kubelet = &kubernetes.Kubelet{Port: port, Insecure: true}
	m.driver.UseKubelets(&rest.Config{})
	m.changePod(pod, func(p *corev1.Pod) { p.Status.HostIP = u.Hostname() })
}

// TestMemoryInUseStays is about memory that does not fit into a smaller limit: the pod is not even told of it,
// or it would have it whenever it fits, long after the change was given up.
func TestMemoryInUseStays(t *testing.T) {
	const use = 90 << 20
	t.Run("do", func(t *testing.T) {
		m := newModel(t)
		target := m.start(service{resources: requirements("100m", "128Mi")})
		plan := m.planned(target, mem(64))
		m.uses(target, use)
		m.wants(m.do(target, plan), actuators.ErrRefused, "90Mi of memory are in use", "does not fit into 64Mi")
		equal(t, "sizes", m.sizes(target, policy.Memory), []string{"128Mi"})
	})
	t.Run("undo", func(t *testing.T) {
		m := newModel(t)
		target := m.start(service{resources: requirements("100m", "64Mi")})
		plan := m.planned(target, mem(128))
		m.must(m.do(target, plan))
		m.uses(target, use)
		m.wants(m.undo(target, plan), actuators.ErrRefused, "90Mi of memory are in use", "does not fit into 64Mi")
		equal(t, "sizes", m.sizes(target, policy.Memory), []string{"128Mi"})
	})
	t.Run("with a restart", func(t *testing.T) {
		m := newModel(t)
		target := m.start(service{resources: requirements("100m", "128Mi"), change: func(p *corev1.PodTemplateSpec) {
			p.Spec.Containers[0].ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceMemory, RestartPolicy: corev1.RestartContainer}}
		}})
		plan := m.planned(target, mem(64))
		m.uses(target, use)
		m.must(m.do(target, plan))
		equal(t, "sizes", m.sizes(target, policy.Memory), []string{"64Mi"})
	})
}
