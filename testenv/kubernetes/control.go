package kubernetes

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"os"

	"k8s.io/client-go/kubernetes"
)

// issuer is what the API server calls itself in the tokens of service accounts.
const issuer = "https://kubernetes.default.svc"

// startAPI brings up etcd and the API server, and the administrator's access.
func (c *Cluster) startAPI() error {
	if err := os.MkdirAll(c.env.path("tmp"), 0o755); err != nil {
		return err
	}
	if err := c.writeKeys(); err != nil {
		return err
	}
	var err error
	if c.admin, err = c.as("engramd-test-admin", "system:masters"); err != nil {
		return err
	}
	c.admin.QPS, c.admin.Burst = 200, 400 // a test asks often
	if c.client, err = kubernetes.NewForConfig(c.admin); err != nil {
		return err
	}
	if err := c.writeKubeconfig(c.env.path("kubeconfig"), c.admin); err != nil {
		return err
	}
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", c.etcdPort), fmt.Sprintf("http://127.0.0.1:%d", c.peerPort)
	c.etcd, err = c.start("etcd", "--data-dir", c.env.path("etcd"), "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
		"--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	if err != nil {
		return err
	}
	return c.startAPIServer()
}

// startAPIServer starts the API server, which waits for etcd, and waits until it is ready.
func (c *Cluster) startAPIServer() error {
	flags := []string{
		"--etcd-servers", fmt.Sprintf("http://127.0.0.1:%d", c.etcdPort),
		"--bind-address", c.bindAddress(), "--advertise-address", c.advertised(), "--secure-port", fmt.Sprint(c.apiPort),
		"--tls-cert-file", c.env.path("apiserver.crt"), "--tls-private-key-file", c.env.path("apiserver.key"),
		"--client-ca-file", c.env.path("ca.crt"), "--service-cluster-ip-range", c.services(),
		"--service-account-issuer", issuer, "--service-account-key-file", c.env.path("accounts.key"),
		"--service-account-signing-key-file", c.env.path("accounts.key"),
		"--kubelet-client-certificate", c.env.path("apiserver-kubelet.crt"), "--kubelet-client-key", c.env.path("apiserver-kubelet.key"),
		"--kubelet-certificate-authority", c.env.path("ca.crt"), "--kubelet-preferred-address-types", "InternalIP",
		"--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction", "--allow-privileged",
		"--audit-policy-file", c.env.path("audit.yaml"), "--audit-log-path", c.env.path("audit.log"),
		"--profiling=false",
	}
	if c.node == nil { // nobody would make the service accounts
		flags = append(flags, "--disable-admission-plugins", "ServiceAccount")
	}
	var err error
	if c.apiserver, err = c.start("kube-apiserver", flags...); err != nil {
		return err
	}
	return c.await("the API server", c.apiserver, func(ctx context.Context) error {
		return readyz(ctx, c.admin, c.URL()+"/readyz")
	})
}

// auditPolicy keeps who did what, without bodies: a test of roles sees which verbs were used.
const auditPolicy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata, users: [], userGroups: [system:serviceaccounts, engramd-test]}]\n"

func (c *Cluster) writeKeys() error {
	if err := os.WriteFile(c.env.path("ca.crt"), c.authority.pem, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(c.env.path("audit.yaml"), []byte(auditPolicy), 0o644); err != nil {
		return err
	}
	accounts, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(accounts)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.env.path("accounts.key"), encode("EC PRIVATE KEY", der), 0o600); err != nil {
		return err
	}
	certPEM, keyPEM, err := c.authority.server("kube-apiserver", c.serverNames()...)
	if err != nil {
		return err
	}
	if err := writePair(c.env.path("apiserver"), certPEM, keyPEM); err != nil {
		return err
	}
	certPEM, keyPEM, err = c.authority.client("kube-apiserver-kubelet-client", "system:masters")
	if err != nil {
		return err
	}
	return writePair(c.env.path("apiserver-kubelet"), certPEM, keyPEM)
}

// serverNames are the names and addresses under which the API server is known, in pods too.
func (c *Cluster) serverNames() []string {
	names := []string{"127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	if c.node != nil {
		names = append(names, c.node.address(nodeAddress).String(), c.node.address(serviceAddress).String())
	}
	return names
}

func (c *Cluster) bindAddress() string {
	if c.node == nil {
		return c.address().String()
	}
	return "0.0.0.0" // the service's address is the node's too
}

// advertised is the API server's endpoint; loopback is not allowed as one, and nobody asks for it where it stands alone.
func (c *Cluster) advertised() string {
	if c.node == nil {
		return "192.0.2.1"
	}
	return c.node.address(nodeAddress).String()
}

func (c *Cluster) services() string {
	if c.node == nil {
		return "198.18.0.0/24"
	}
	return c.node.slash24(1).String()
}

// startControllers starts the controller manager and the scheduler. They find the node lost sooner than usual.
func (c *Cluster) startControllers() error {
	manager, err := c.kubeconfigOf("kube-controller-manager", "system:kube-controller-manager")
	if err != nil {
		return err
	}
	scheduler, err := c.kubeconfigOf("kube-scheduler", "system:kube-scheduler")
	if err != nil {
		return err
	}
	c.controllers, err = c.keep("kube-controller-manager", "--kubeconfig", manager, "--leader-elect=false",
		"--use-service-account-credentials", "--service-account-private-key-file", c.env.path("accounts.key"),
		"--root-ca-file", c.env.path("ca.crt"), "--node-monitor-period=1s", "--node-monitor-grace-period=6s",
		"--bind-address=127.0.0.1", "--profiling=false")
	if err != nil {
		return err
	}
	c.scheduler, err = c.keep("kube-scheduler", "--kubeconfig", scheduler, "--leader-elect=false",
		"--bind-address=127.0.0.1", "--profiling=false")
	return err
}
