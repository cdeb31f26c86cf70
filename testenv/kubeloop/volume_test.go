package kubeloop_test

import (
	"context"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/kubernetes"
	"github.com/engramd/engramd/testenv/loop"
)

// stored is a service with a volume, of a class that allows growth. The volume itself is a directory: what would grow it, a
// CSI driver, is out of reach here.
const stored = `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: %[1]s}
provisioner: test.engramd.io/none
allowVolumeExpansion: true
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: %[1]s}
spec:
  capacity: {storage: 64Mi}
  accessModes: [ReadWriteOnce]
  storageClassName: %[1]s
  persistentVolumeReclaimPolicy: Retain
  hostPath: {path: %[3]s}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: %[1]s
  resources: {requests: {storage: 64Mi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db}
spec:
  replicas: 1
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
      - name: engram
        image: %[2]s
        imagePullPolicy: Never
        resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 100m, memory: 64Mi}}
        volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
`

// grown wants twice the volume.
const grown = quick + `
mode: auto
targets:
  - name: db
    kubernetes: {namespace: {{.namespace}}, deployment: db, volume: data, kubeconfig: "{{.kubeconfig}}"}
    limits: {storage: {min: 64Mi, max: 128Mi}}
    allow_irreversible: true
    maintenance_window: always
policies:
  - name: storage
    target: db
    every: 1s
    matrix:
      signals:
        limit: max by (target) (engramd_target_cpu_limit_cores)
      rows:
        - {when: {limit: "< 1"}, for: 1s, do: scale, change: {storage: {to: 128Mi}}}
        - {when: {limit: ">= 1"}, do: none}
`

// TestE2EVolumeGrows has the claim of a Deployment ask for more.
func TestE2EVolumeGrows(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	name := "grows-" + b.namespace
	b.c.Create(t, b.namespace, fmt.Sprintf(stored, name, kubernetes.WorkloadImage, t.TempDir()))
	t.Cleanup(func() {
		_ = b.c.Client().CoreV1().PersistentVolumes().Delete(context.Background(), name, metav1.DeleteOptions{}) // they go with the node
		_ = b.c.Client().StorageV1().StorageClasses().Delete(context.Background(), name, metav1.DeleteOptions{})
	})
	pods := b.await(t, "db", 1)
	values := b.values(t)
	values["kubeconfig"] = b.kubeconfig(t, nil)
	a := loop.Start(t, grown, values)
	testenv.Eventually(t, soon, "the claim asks for 128Mi", func() bool {
		claim, err := b.c.Client().CoreV1().PersistentVolumeClaims(b.namespace).Get(t.Context(), "data", metav1.GetOptions{})
		return err == nil && claim.Spec.Resources.Requests.Storage().String() == "128Mi"
	})
	action := a.Await(t, soon, "its action is there", func(x loop.Action) bool { return x.Resource == "storage" })
	t.Logf("%s: %s", action.State, action.Reason)
	b.expectUntouched(t, "db", pods)
}
