package kubernetes_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/kubernetes"
)

func TestMain(m *testing.M) { os.Exit(kubernetes.Main(m)) }

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: engram, labels: {app: engram}}
spec:
  replicas: 3
  selector: {matchLabels: {app: engram}}
  template:
    metadata: {labels: {app: engram}}
    spec:
      containers:
      - name: engram
        image: engramd.test/workload:1
        imagePullPolicy: Never
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /health, port: 8080}, periodSeconds: 1}
        resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 200m, memory: 64Mi}}
`

// A deployment runs, its pods are reached from here, and one is resized in place: the kernel's limit follows.
func TestE2EDeploymentRunsAndIsResized(t *testing.T) {
	c := kubernetes.Shared(t)
	namespace := c.Namespace(t)
	c.LoadWorkload(t, "", nil)
	c.Apply(t, namespace, deployment)
	pods := c.AwaitPods(t, namespace, "app=engram", 3)
	for _, pod := range pods {
		if !kubernetes.Service(pod).Healthy() {
			t.Errorf("%s does not answer at %s", pod.Name, pod.Status.PodIP)
		}
	}
	pod, id := pods[0], kubernetes.ContainerID(t, pods[0], "engram")
	if got := testenv.CPULimit(t, id); got != 0.2 {
		t.Fatalf("the limit is %v cores, want 0.2", got)
	}
	patch := `{"spec": {"containers": [{"name": "engram", "resources": {"requests": {"cpu": "300m"}, "limits": {"cpu": "400m"}}}]}}`
	_, err := c.Client().CoreV1().Pods(namespace).Patch(t.Context(), pod.Name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "resize")
	if err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 30*time.Second, "the kernel's limit is 0.4 cores", func() bool { return testenv.CPULimit(t, id) == 0.4 })
	for _, pod := range c.Pods(t, namespace, "app=engram") {
		if n := pod.Status.ContainerStatuses[0].RestartCount; n != 0 {
			t.Errorf("%s was restarted %d times", pod.Name, n)
		}
	}
}

// A scheduler that ends by itself, as it does when its cache is wrong, is there again for the next pod.
func TestE2ESchedulerIsStartedAgain(t *testing.T) {
	c := kubernetes.Shared(t)
	namespace := c.Namespace(t)
	c.LoadWorkload(t, "", nil)
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for _, path := range commands {
		content, _ := os.ReadFile(path) // it may have ended
		program, flags, _ := strings.Cut(string(content), "\x00")
		if filepath.Base(program) != "kube-scheduler" || !strings.Contains(flags, filepath.Dir(c.Kubeconfig())+"/") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err != nil {
			t.Fatal(err)
		}
		killed++
	}
	if killed != 1 {
		t.Fatalf("killed %d schedulers, want 1", killed)
	}
	c.Apply(t, namespace, deployment)
	c.AwaitPods(t, namespace, "app=engram", 3)
}

// The kubelet counts what containers use, for whoever may read nodes/metrics.
func TestE2EKubeletMeters(t *testing.T) {
	c := kubernetes.Shared(t)
	namespace := c.Namespace(t)
	config := c.ServiceAccount(t, namespace, "reader")
	body, status := get(t, config, c.KubeletURL()+"/metrics/resource")
	if status != 403 {
		t.Fatalf("without nodes/metrics: %d, want 403", status)
	}
	name := "reader-" + namespace
	_, err := c.Client().RbacV1().ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"nodes/metrics"}, Verbs: []string{"get"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Client().RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: namespace, Name: "reader"}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 10*time.Second, "the kubelet lets the reader in", func() bool {
		body, status = get(t, config, c.KubeletURL()+"/metrics/resource")
		return status == 200
	})
	if !strings.Contains(body, "node_cpu_usage_seconds_total") {
		t.Errorf("no node_cpu_usage_seconds_total in:\n%s", body)
	}
	if body, status = get(t, config, c.KubeletURL()+"/metrics/cadvisor"); status != 200 || !strings.Contains(body, "container_cpu_cfs_throttled_periods_total") {
		t.Errorf("/metrics/cadvisor: %d, no container_cpu_cfs_throttled_periods_total", status)
	}
}

// The node is lost and found, and the API server too; the pods live on.
func TestE2ENodeAndAPIServerComeBack(t *testing.T) {
	c := kubernetes.Shared(t)
	namespace := c.Namespace(t)
	c.LoadWorkload(t, "", nil)
	c.Apply(t, namespace, strings.Replace(deployment, "replicas: 3", "replicas: 1", 1))
	pod := c.AwaitPods(t, namespace, "app=engram", 1)[0]

	c.StopNode(t)
	c.AwaitNode(t, false)
	if !kubernetes.Service(pod).Healthy() {
		t.Error("the pod died with the kubelet")
	}
	c.StartNode(t)

	c.StopAPIServer(t)
	if _, err := c.Client().CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); err == nil {
		t.Error("the API server answers after it was stopped")
	}
	c.StartAPIServer(t)
	c.AwaitNode(t, true)
	if now := c.AwaitPods(t, namespace, "app=engram", 1)[0]; now.UID != pod.UID || now.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("the pod was replaced or restarted: %v", now.Status)
	}
}
