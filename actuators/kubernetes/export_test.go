package kubernetes

import (
	"context"
	"net/http"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/engramd/engramd/actuators"
)

// Use makes the driver talk to api wherever a target names no cluster. raw answers for kinds without a
// typed client.
func (d *Driver) Use(api kubernetes.Interface, namespace string, raw func(context.Context, string) ([]byte, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clusters[where{}] = &cluster{api: api, namespace: namespace, raw: raw, host: "https://model"}
}

// UseKubelets makes the driver reach kubelets with config.
func (d *Driver) UseKubelets(config *rest.Config) { d.model().config = config }

// Forget drops what is cached of namespaces.
func (d *Driver) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.clusters {
		c.mu.Lock()
		clear(c.houses)
		c.mu.Unlock()
	}
}

// Find and Probe are the platform's, on the model.
func (d *Driver) Find(ctx context.Context) ([]actuators.Found, error) { return d.model().find(ctx) }

func (d *Driver) Probe(ctx context.Context) []actuators.Finding { return d.model().probe(ctx) }

func (d *Driver) model() *cluster {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.clusters[where{}]
}

var Check = check

// Comeback is the transport to an API server.
func Comeback(next http.RoundTripper) http.RoundTripper { return &comeback{next: next} }
