package kubernetes

import (
	"fmt"
	"path/filepath"
)

// Kubelet says how use is read from the kubelets. Without it they are asked at port 10250 of their
// node's address, and their certificate must be signed by the cluster's own authority, as it is where
// the kubelets run with serverTLSBootstrap. A kubelet that signed its own needs CA or Insecure.
type Kubelet struct {
	// CA is a file with the certificates that may have signed the kubelets'.
	CA string `yaml:"ca,omitempty" json:"ca,omitempty"`
	// Insecure takes any certificate: whoever can pass for the node then gets engramd's token.
	Insecure bool `yaml:"insecure,omitempty" json:"insecure,omitempty"`
	// Port is 10250 unless set.
	Port int `yaml:"port,omitempty" json:"port,omitempty"`
}

const kubeletPort = 10250

func (k *Kubelet) check() error {
	switch {
	case k == nil:
		return nil
	case k.Insecure && k.CA != "":
		return fmt.Errorf("kubernetes: kubelet: give a ca, or insecure: true, not both")
	case k.CA != "" && !filepath.IsAbs(k.CA):
		return fmt.Errorf("kubernetes: kubelet: ca %.80q: want an absolute path", k.CA)
	case k.Port < 0 || k.Port > 65535:
		return fmt.Errorf("kubernetes: kubelet: port %d: want one from 1 to 65535", k.Port)
	}
	return nil
}

func (k *Kubelet) port() int {
	if k == nil || k.Port == 0 {
		return kubeletPort
	}
	return k.Port
}
