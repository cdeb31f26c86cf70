package kubernetes

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/engramd/engramd/actuators"
)

const (
	// pageFor is how long a page serves all the targets with pods on its node; a page that could not
	// be had is not asked for again before, either.
	pageFor     = 2 * time.Second
	pageTimeout = 4 * time.Second
	// forgetAfter is how long a kubelet is remembered that nobody asks: nodes come and go, and pages are large.
	forgetAfter = 10 * time.Minute
)

// errNoPage says that a kubelet has no such page.
var errNoPage = errors.New("the kubelet has no such page")

// kubelets are those that were asked so far.
type kubelets struct {
	mu  sync.Mutex
	all map[kubeletKey]*kubelet
}

type kubeletKey struct {
	cluster *cluster
	address string
	with    Kubelet
}

// A kubelet is one node's agent, as a source of what its containers use.
type kubelet struct {
	address string
	client  *http.Client
	pages   map[string]*pageCache
	asked   time.Time // when last; [kubelets] has the lock
}

// at returns the kubelet of the node with that address. Its transport has the cluster's credentials.
func (k *kubelets) at(c *cluster, hostIP string, with *Kubelet) (*kubelet, error) {
	key := kubeletKey{cluster: c, address: net.JoinHostPort(hostIP, strconv.Itoa(with.port()))}
	if with != nil {
		key.with = *with
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if one, ok := k.all[key]; ok {
		one.asked = now
		return one, nil
	}
	k.forget(now)
	if c.config == nil {
		return nil, errors.New("kubernetes: nothing is known of how to reach kubelets")
	}
	transport, err := rest.TransportFor(kubeletConfig(c.config, key.with))
	if err != nil {
		return nil, fmt.Errorf("kubernetes: client for kubelets: %w", err)
	}
	one := &kubelet{
		address: key.address, asked: now,
		client: &http.Client{Transport: transport, CheckRedirect: stay},
		pages:  map[string]*pageCache{cadvisorPage: newPageCache(), resourcePage: newPageCache()},
	}
	if k.all == nil {
		k.all = make(map[kubeletKey]*kubelet)
	}
	k.all[key] = one
	return one, nil
}

// forget drops the kubelets that nobody has asked for long.
func (k *kubelets) forget(now time.Time) {
	for key, one := range k.all {
		if now.Sub(one.asked) > forgetAfter {
			one.client.CloseIdleConnections()
			delete(k.all, key)
		}
	}
}

// close forgets all kubelets.
func (k *kubelets) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for key, one := range k.all {
		one.client.CloseIdleConnections()
		delete(k.all, key)
	}
}

// stay follows nobody anywhere with our token.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// kubeletConfig is the cluster's configuration for another server, that the same authority vouches for
// unless the target says otherwise.
func kubeletConfig(config *rest.Config, with Kubelet) *rest.Config {
	k := rest.CopyConfig(config)
	k.ServerName = ""
	switch {
	case with.Insecure:
		k.Insecure, k.CAFile, k.CAData = true, "", nil
	case with.CA != "":
		k.Insecure, k.CAFile, k.CAData = false, with.CA, nil
	}
	return k
}

// A pageCache holds the last answer for one page. Whoever has the token asks, all others wait for that.
type pageCache struct {
	asking chan struct{}
	at     time.Time
	page   page
	err    error
}

func newPageCache() *pageCache { return &pageCache{asking: make(chan struct{}, 1)} }

func (k *kubelet) page(ctx context.Context, path string) (page, error) {
	one := k.pages[path]
	select {
	case one.asking <- struct{}{}:
		defer func() { <-one.asking }()
	case <-ctx.Done():
		return page{}, fmt.Errorf("%w: ask the kubelet at %s: %w", actuators.ErrTransient, k.address, context.Cause(ctx))
	}
	if !one.at.IsZero() && time.Since(one.at) < pageFor {
		return one.page, one.err
	}
	bounded, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	p, err := k.fetch(bounded, path)
	if ctx.Err() != nil {
		return page{}, err // says nothing about the kubelet
	}
	one.page, one.err, one.at = p, err, time.Now()
	return p, err
}

func (k *kubelet) fetch(ctx context.Context, path string) (page, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+k.address+path, nil)
	if err != nil {
		return page{}, fmt.Errorf("ask the kubelet at %s: %w", k.address, err)
	}
	request.Header.Set("Accept", "text/plain;version=0.0.4")
	answer, err := k.client.Do(request)
	if err != nil {
		return page{}, k.unreached(err)
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return page{}, errNoPage
	case http.StatusUnauthorized, http.StatusForbidden:
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 300))
		return page{}, fmt.Errorf("%w: the kubelet at %s answers %s: %q (grant engramd get on nodes/metrics: see deploy/kubernetes)",
			actuators.ErrRefused, k.address, answer.Status, said)
	default:
		return page{}, fmt.Errorf("%w: the kubelet at %s answers %s", actuators.ErrTransient, k.address, answer.Status)
	}
	return parsePage(answer.Body)
}

// unreached says why there was no answer, and what to do where that is known.
func (k *kubelet) unreached(err error) error {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	if unknown || name {
		return fmt.Errorf("%w: ask the kubelet at %s: %w (its certificate is not the cluster's: run kubelets with serverTLSBootstrap, or set kubelet: {ca: FILE} or {insecure: true})",
			actuators.ErrRefused, k.address, err)
	}
	return fmt.Errorf("%w: ask the kubelet at %s: %w", actuators.ErrTransient, k.address, err)
}
