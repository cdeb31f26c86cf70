package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// manager is our field manager: whose fields are ours says metadata.managedFields.
const manager = "engramd"

// The client's own limits keep a wrong configuration from flooding an API server; the server's
// priority and fairness do the rest.
const (
	clientQPS   = 50
	clientBurst = 100
	// callTimeout bounds one request, so that a server which hangs is noticed before the executor
	// gives up on the whole call.
	callTimeout = 15 * time.Second
)

// A cluster is one API server as one user sees it.
type cluster struct {
	api       kubernetes.Interface
	http      *http.Client // with the same credentials
	config    *rest.Config // to reach the kubelets with; nil if there are none
	host      string       // the API server's URL
	namespace string       // where things are unless they say otherwise
	// raw gets a path of the API server that has no typed client.
	raw func(ctx context.Context, path string) ([]byte, error)

	mu     sync.Mutex
	houses map[string]house // by namespace
}

// where identifies a cluster in a target's section.
type where struct{ kubeconfig, context string }

// connect makes the client of a cluster; it sends nothing yet.
func connect(w where) (*cluster, error) {
	config, namespace, err := restConfig(w)
	if err != nil {
		return nil, err
	}
	config.UserAgent = manager + "/" + rest.DefaultKubernetesUserAgent()
	config.QPS, config.Burst = clientQPS, clientBurst
	config.Timeout = callTimeout
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &comeback{next: next} })
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: client for %s: %w", config.Host, err)
	}
	api, err := kubernetes.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: client for %s: %w", config.Host, err)
	}
	c := &cluster{api: api, http: client, config: config, host: config.Host, namespace: namespace}
	c.raw = func(ctx context.Context, path string) ([]byte, error) {
		return api.CoreV1().RESTClient().Get().AbsPath(path).Do(ctx).Raw()
	}
	return c, nil
}

func (c *cluster) close() {
	if c.http != nil {
		c.http.CloseIdleConnections()
	}
}

// restConfig finds the configuration: the one that was named, else the pod's own, else kubectl's.
func restConfig(w where) (*rest.Config, string, error) {
	if w == (where{}) {
		if config, err := rest.InClusterConfig(); err == nil {
			return config, ownNamespace(), nil
		}
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = w.kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: w.context})
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("kubernetes: no cluster: run engramd in a pod with a service account, or give a kubeconfig (and a context): %w", err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("kubernetes: kubeconfig: %w", err)
	}
	return config, namespace, nil
}

// serviceAccountNamespace is the file that tells a pod its namespace.
const serviceAccountNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// ownNamespace and ownPod say where this process runs, as far as the downward API or the service
// account tells; the host's name is the pod's unless the pod says otherwise.
func ownNamespace() string {
	if ns := os.Getenv("POD_NAMESPACE"); ns != "" {
		return ns
	}
	b, err := os.ReadFile(serviceAccountNamespace)
	if err != nil {
		return "default"
	}
	return strings.TrimSpace(string(b))
}

func ownPod() (string, error) {
	if name := os.Getenv("POD_NAME"); name != "" {
		return name, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("kubernetes: which pod is this? set POD_NAME from metadata.name: %w", err)
	}
	return name, nil
}
