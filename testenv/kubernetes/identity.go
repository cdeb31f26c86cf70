package kubernetes

import (
	"context"
	"fmt"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// As is the access of a user who is in the given groups, and has the rights that roles give them: none by themselves.
func (c *Cluster) As(t testing.TB, user string, groups ...string) *rest.Config {
	t.Helper()
	config, err := c.as(user, groups...)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return config
}

func (c *Cluster) as(user string, groups ...string) (*rest.Config, error) {
	certPEM, keyPEM, err := c.authority.client(user, groups...)
	if err != nil {
		return nil, err
	}
	return &rest.Config{
		Host:            c.URL(),
		TLSClientConfig: rest.TLSClientConfig{CAData: c.authority.pem, CertData: certPEM, KeyData: keyPEM},
	}, nil
}

// ServiceAccount makes a service account with exactly the given rights in its namespace, and returns its access.
func (c *Cluster) ServiceAccount(t testing.TB, namespace, name string, rights ...rbacv1.PolicyRule) *rest.Config {
	t.Helper()
	ctx, account := t.Context(), metav1.ObjectMeta{Namespace: namespace, Name: name}
	_, err := c.client.CoreV1().ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: account}, metav1.CreateOptions{})
	if err != nil && !errors.IsAlreadyExists(err) {
		t.Fatalf("testenv: %v", err)
	}
	if len(rights) > 0 {
		_, err := c.client.RbacV1().Roles(namespace).Create(ctx, &rbacv1.Role{ObjectMeta: account, Rules: rights}, metav1.CreateOptions{})
		if err != nil {
			t.Fatalf("testenv: %v", err)
		}
		_, err = c.client.RbacV1().RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: account,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatalf("testenv: %v", err)
		}
	}
	return c.AccountConfig(t, namespace, name)
}

// AccountConfig is the access of a service account that is there already, with a token of one hour.
func (c *Cluster) AccountConfig(t testing.TB, namespace, name string) *rest.Config {
	t.Helper()
	token, err := c.token(t.Context(), namespace, name)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return &rest.Config{Host: c.URL(), BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAData: c.authority.pem}}
}

func (c *Cluster) token(ctx context.Context, namespace, name string) (string, error) {
	request, err := c.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("token of the service account %s/%s: %w", namespace, name, err)
	}
	return request.Status.Token, nil
}

// Kubeconfig is the path of a file with the administrator's access. It goes with the cluster.
func (c *Cluster) Kubeconfig() string { return c.env.path("kubeconfig") }

// WriteKubeconfig writes a file with the given access, for a program that is to have it.
func (c *Cluster) WriteKubeconfig(t testing.TB, path string, config *rest.Config) {
	t.Helper()
	if err := c.writeKubeconfig(path, config); err != nil {
		t.Fatalf("testenv: %v", err)
	}
}

func (c *Cluster) writeKubeconfig(path string, config *rest.Config) error {
	const name = "engramd-test"
	file := clientcmdapi.NewConfig()
	file.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, Token: config.BearerToken}
	file.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	file.CurrentContext = name
	return clientcmd.WriteToFile(*file, path)
}

// kubeconfigOf writes the access of a user of the cluster's own, and returns the file's path.
func (c *Cluster) kubeconfigOf(name, user string, groups ...string) (string, error) {
	config, err := c.as(user, groups...)
	if err != nil {
		return "", err
	}
	path := c.env.path(name + ".kubeconfig")
	return path, c.writeKubeconfig(path, config)
}
