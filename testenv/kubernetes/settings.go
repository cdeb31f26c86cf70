package kubernetes

import (
	"fmt"
	"os"
)

const kubeletPort = 10250

// pauseImage is what the sandbox of every pod runs.
const pauseImage = "engramd.test/pause:1"

// containerdConfig: the CNI plugins are Debian's, the sandbox image is ours.
const containerdConfig = `version = 3
root = %[1]q
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]

[grpc]
address = "/run/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
path = %[2]q

[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = %[3]q

[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
disable_apparmor = true
enable_cdi = false

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["/usr/lib/cni"]
conf_dir = %[4]q

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = false
`

const networkConfig = `{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "/run/cni", "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
`

// kubeletConfig: nothing is evicted or collected for want of room on the machine, whose disk is not the node's.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 0.0.0.0
port: %[1]d
authentication: {anonymous: {enabled: false}, webhook: {enabled: true, cacheTTL: 1s}, x509: {clientCAFile: %[2]s/ca.crt}}
authorization: {mode: Webhook, webhook: {cacheAuthorizedTTL: 1s, cacheUnauthorizedTTL: 1s}}
tlsCertFile: %[2]s/kubelet.crt
tlsPrivateKeyFile: %[2]s/kubelet.key
containerRuntimeEndpoint: unix:///run/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: %[3]s
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
makeIPTablesUtilChains: false
localStorageCapacityIsolation: false
resolvConf: ""
evictionHard: {memory.available: "0%%", nodefs.available: "0%%", nodefs.inodesFree: "0%%", imagefs.available: "0%%", imagefs.inodesFree: "0%%"}
imageGCHighThresholdPercent: 100
nodeLeaseDurationSeconds: 4
nodeStatusUpdateFrequency: 2s
volumePluginDir: %[2]s/volume-plugins
`

// writeSettings writes what containerd and the kubelet read, and the kubelet's certificate and access.
func (c *Cluster) writeSettings() error {
	if err := os.MkdirAll(c.env.path("cni"), 0o755); err != nil {
		return err
	}
	files := map[string]string{
		"containerd.toml":      fmt.Sprintf(containerdConfig, c.env.path("containerd"), c.env.path("opt"), pauseImage, c.env.path("cni")),
		"cni/10-pods.conflist": fmt.Sprintf(networkConfig, c.node.slash24(2)),
		"kubelet.yaml":         fmt.Sprintf(kubeletConfig, kubeletPort, c.env.Root, c.env.cgroup()),
	}
	for name, content := range files {
		if err := os.WriteFile(c.env.path(name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	certPEM, keyPEM, err := c.authority.server("system:node:"+NodeName, NodeName, c.node.address(nodeAddress).String(), "127.0.0.1")
	if err != nil {
		return err
	}
	if err := writePair(c.env.path("kubelet"), certPEM, keyPEM); err != nil {
		return err
	}
	_, err = c.kubeconfigOf("kubelet", "system:node:"+NodeName, "system:nodes")
	return err
}
