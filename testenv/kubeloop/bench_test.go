package kubeloop_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/kubernetes"
	"github.com/engramd/engramd/testenv/loop"
)

func TestMain(m *testing.M) { os.Exit(kubernetes.Main(m)) }

// soon is what anything may take that takes seconds on a machine with nothing else to do.
const soon = 90 * time.Second

// What the workloads start from and are to have, in cores and as the JSON has it.
const (
	small, big   = 0.1, 0.2
	smallQ, bigQ = loop.Quantity("100"), loop.Quantity("200")
)

// How an action ends that is at its new size, and one that is not.
const (
	stays     = "inconclusive committed"
	takenBack = "rolled_back"
)

// image2 is what a user rolls out meanwhile.
const image2 = "engramd.test/workload:2"

// A bench is the node with a namespace of the test's own, and access for engramd.
type bench struct {
	c         *kubernetes.Cluster
	namespace string
	access    *rest.Config
}

func newBench(t *testing.T) *bench {
	t.Helper()
	c := kubernetes.Shared(t)
	c.LoadWorkload(t, "", nil)
	c.LoadWorkload(t, image2, nil)
	b := &bench{c: c, namespace: c.Namespace(t)}
	b.access = c.ServiceAccount(t, b.namespace, "engramd", rights()...)
	return b
}

// rights are what engramd may do in a namespace.
func rights() []rbacv1.PolicyRule {
	rule := func(group, resources, verbs string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: strings.Fields(resources), Verbs: strings.Fields(verbs)}
	}
	return []rbacv1.PolicyRule{
		rule("apps", "deployments statefulsets daemonsets", "get list watch patch update"),
		rule("apps", "deployments/scale statefulsets/scale", "get patch update"),
		rule("apps", "replicasets controllerrevisions", "get list watch"),
		rule("", "pods", "get list watch delete"),
		rule("", "pods/resize", "patch update get"),
		rule("", "limitranges resourcequotas persistentvolumeclaims", "get list watch patch"),
		rule("", "events", "create patch get list"),
		rule("events.k8s.io", "events", "create patch get list"),
		rule("coordination.k8s.io", "leases", "get create update delete list patch"),
		rule("policy", "poddisruptionbudgets", "get list"),
		rule("autoscaling", "horizontalpodautoscalers", "get list"),
		rule("autoscaling.k8s.io", "verticalpodautoscalers", "get list"),
	}
}

// kubeconfig writes the access of engramd, by way of a gate if there is one.
func (b *bench) kubeconfig(t *testing.T, gate *loop.Gate) string {
	t.Helper()
	access := rest.CopyConfig(b.access)
	if gate != nil {
		access.Host, access.CAData, access.BearerToken = gate.Host(), nil, ""
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	b.c.WriteKubeconfig(t, path, access)
	return path
}

// gate opens a gate to the API server, where whatever comes through it is engramd: clients give no token to a server
// without TLS, which the gate is.
func (b *bench) gate(t *testing.T) *loop.Gate {
	t.Helper()
	transport, err := rest.TransportFor(b.access)
	if err != nil {
		t.Fatal(err)
	}
	return loop.OpenGateTo(t, b.c.URL(), transport)
}

// A service is a workload of the test, as its user has made it.
type service struct {
	kind     string // Deployment, StatefulSet
	name     string
	replicas int
	image    string
	sick     bool   // its readiness fails at the new size
	cpu      string // its limit; 100m
}

const manifest = `
apiVersion: apps/v1
kind: %[1]s
metadata: {name: %[2]s}
spec:
  replicas: %[3]d
  selector: {matchLabels: {app: %[2]s}}
  %[7]s
  template:
    metadata: {labels: {app: %[2]s}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - name: engram
        image: %[4]s
        imagePullPolicy: Never
        env: [{name: WORKLOAD_UNHEALTHY, value: %[5]q}]
        readinessProbe: {httpGet: {path: /health, port: 8080}, periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 2}
        resources: {requests: {cpu: %[6]s, memory: 64Mi}, limits: {cpu: %[6]s, memory: 64Mi}}
`

// create does what the user's `kubectl create` does.
func (b *bench) create(t *testing.T, s service) {
	t.Helper()
	own, unhealthy := "", "never"
	if s.kind == "StatefulSet" {
		own = "serviceName: " + s.name
	} else {
		own = "progressDeadlineSeconds: 30"
	}
	if s.sick {
		unhealthy = "cpus>0.15"
	}
	if s.image == "" {
		s.image = kubernetes.WorkloadImage
	}
	if s.cpu == "" {
		s.cpu = "100m"
	}
	b.c.Create(t, b.namespace, fmt.Sprintf(manifest, s.kind, s.name, s.replicas, s.image, unhealthy, s.cpu, own))
}

// run creates a service and waits for its pods.
func (b *bench) run(t *testing.T, s service) []corev1.Pod {
	t.Helper()
	b.create(t, s)
	return b.await(t, s.name, s.replicas)
}

func (b *bench) await(t *testing.T, name string, replicas int) []corev1.Pod {
	t.Helper()
	return b.c.AwaitPods(t, b.namespace, "app="+name, replicas)
}

// pods are those of a service that nobody is deleting.
func (b *bench) pods(t *testing.T, name string) []corev1.Pod {
	t.Helper()
	return b.c.Pods(t, b.namespace, "app="+name)
}

// limit is what the kernel enforces on a pod's container, in cores.
func limit(t *testing.T, pod corev1.Pod) float64 {
	t.Helper()
	return testenv.CPULimit(t, kubernetes.ContainerID(t, pod, "engram"))
}

// expectLimits wants every pod of a service to have a limit, in the kernel.
func (b *bench) expectLimits(t *testing.T, name string, want float64) {
	t.Helper()
	for _, pod := range b.pods(t, name) {
		if got := limit(t, pod); got != want {
			t.Errorf("the limit of %s is %v cores in the kernel, want %v", pod.Name, got, want)
		}
	}
}

// expectUntouched wants the very pods that there were, never restarted.
func (b *bench) expectUntouched(t *testing.T, name string, before []corev1.Pod) {
	t.Helper()
	now := b.pods(t, name)
	if !slices.EqualFunc(before, now, func(x, y corev1.Pod) bool { return x.UID == y.UID }) {
		t.Errorf("the pods of %s are others than before", name)
	}
	for _, pod := range now {
		for _, status := range pod.Status.ContainerStatuses {
			if status.RestartCount != 0 {
				t.Errorf("%s of %s was restarted %d times", status.Name, pod.Name, status.RestartCount)
			}
		}
	}
}
