package kubernetes_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/policy"
)

const gib = 1 << 30

// withClaims is a Deployment of two pods that share a claim of 1 Gi, or what change makes of it.
func withClaims(t *testing.T, change func(*storagev1.StorageClass, *corev1.PersistentVolumeClaim)) (*model, policy.Target) {
	m := newModel(t)
	target := m.start(service{pods: 2, resources: requirements("1", "64Mi"), change: func(p *corev1.PodTemplateSpec) {
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}, {Name: "scratch", MountPath: "/tmp"}}
		p.Spec.Volumes = []corev1.Volume{
			{Name: "scratch"},
			{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "shared"}}},
		}
	}})
	target.AllowIrreversible = true
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "fast"}, AllowVolumeExpansion: new(true)}
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "shared", Namespace: namespace, UID: "claim-1"},
		Spec:       corev1.PersistentVolumeClaimSpec{StorageClassName: new("fast"), Resources: corev1.VolumeResourceRequirements{Requests: size}},
		Status:     corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, Capacity: size},
	}
	if change != nil {
		change(class, claim)
	}
	if _, err := m.api.StorageV1().StorageClasses().Create(t.Context(), class, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.api.CoreV1().PersistentVolumeClaims(namespace).Create(t.Context(), claim, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return m, target
}

func planStorage(t *testing.T, m *model, target policy.Target, bytes int64) (actuators.State, actuators.Plan, error) {
	t.Helper()
	st, err := m.driver.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := m.driver.Plan(target, st, policy.Size{policy.Storage: policy.Amount(bytes)})
	return st, plan, err
}

// csi plays the driver that grows the volume.
func csi(t *testing.T, m *model, to string) {
	t.Helper()
	claims := m.api.CoreV1().PersistentVolumeClaims(namespace)
	c, err := claims.Get(t.Context(), "shared", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(to)}
	if _, err := claims.UpdateStatus(t.Context(), c, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestClaimGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, target := withClaims(t, nil)
		st, plan, err := planStorage(t, m, target, 2*gib)
		if err != nil || len(plan.Steps) != 1 || !plan.Steps[0].Irreversible {
			t.Fatalf("two pods that share a claim are one step: %+v, %v", plan, err)
		}
		for _, p := range st.Parts {
			if p.Configured[policy.Storage] != policy.Amount(gib) || p.Effective[policy.Storage] != policy.Amount(gib) {
				t.Errorf("%s: %v, %v", p.Name, p.Configured, p.Effective)
			}
		}
		if !strings.Contains(plan.Command, "patch pvc shared") {
			t.Errorf("command %s", plan.Command)
		}
		err = m.driver.Do(t.Context(), target, plan.Steps[0])
		if !errors.Is(err, actuators.ErrTransient) || !strings.Contains(err.Error(), "not grown yet") {
			t.Fatalf("got %v", err)
		}
		st, _, _ = planStorage(t, m, target, 2*gib)
		if got := st.Parts[0].Effective[policy.Storage]; got != policy.Amount(gib) {
			t.Errorf("the request is taken for the volume: %s", got)
		}
		go func() {
			time.Sleep(3 * time.Second)
			csi(t, m, "2Gi")
		}()
		if err := m.driver.Do(t.Context(), target, plan.Steps[0]); err != nil {
			t.Fatal(err)
		}
		st, _, _ = planStorage(t, m, target, 2*gib)
		if got := st.Parts[1].Effective[policy.Storage]; got != policy.Amount(2*gib) {
			t.Errorf("got %s", got)
		}
		if err := m.driver.Undo(t.Context(), target, plan.Steps[0]); err != nil {
			t.Errorf("undo of what cannot be undone: %v", err)
		}
	})
}

func TestClaimRefused(t *testing.T) {
	type change = func(*storagev1.StorageClass, *corev1.PersistentVolumeClaim)
	forbidden := apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("cannot get"))
	tests := []struct {
		name   string
		given  change
		target func(*policy.Target)
		fault  string
		to     int64
		says   string
	}{
		{name: "irreversible", target: func(t *policy.Target) {
			t.AllowIrreversible = false
			t.Specs["kubernetes"].(*kubernetes.Spec).Volume = "data"
		}, to: 2 * gib, says: "allow_irreversible"},
		{name: "a decrease", to: gib / 2, says: "never shrinks"},
		{name: "a class that does not", given: func(s *storagev1.StorageClass, _ *corev1.PersistentVolumeClaim) { s.AllowVolumeExpansion = nil }, to: 2 * gib, says: "cannot grow"},
		{name: "no class", given: func(_ *storagev1.StorageClass, c *corev1.PersistentVolumeClaim) { c.Spec.StorageClassName = nil }, to: 2 * gib, says: "no StorageClass"},
		{name: "not bound", given: func(_ *storagev1.StorageClass, c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimPending }, to: 2 * gib, says: "Pending"},
		{name: "no such volume", target: func(t *policy.Target) { t.Specs["kubernetes"].(*kubernetes.Spec).Volume = "logs" }, to: 2 * gib, says: "no volume logs"},
		{name: "classes cannot be seen", fault: "get storageclasses", to: 2 * gib, says: "grant engramd get on storageclasses"},
		{name: "claims cannot be seen", fault: "get persistentvolumeclaims", to: 2 * gib, says: "grant engramd get on persistentvolumeclaims"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, target := withClaims(t, tt.given)
			if tt.target != nil {
				tt.target(&target)
			}
			if tt.fault != "" {
				m.faults = []fault{{call: tt.fault, always: true, err: forbidden}}
			}
			_, _, err := planStorage(t, m, target, tt.to)
			if !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("want %q, got %v", tt.says, err)
			}
		})
	}
}

func TestClaimsAreReadOnlyWhereTheyMatter(t *testing.T) {
	m, target := withClaims(t, nil)
	target.AllowIrreversible = false
	st, err := m.driver.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if q, ok := st.Parts[0].Configured[policy.Storage]; ok {
		t.Errorf("storage %s was read", q)
	}
	for _, a := range m.api.Actions() {
		if r := a.GetResource().Resource; a.GetVerb() == "get" && (r == "persistentvolumeclaims" || r == "storageclasses") {
			t.Errorf("asked for %s", r)
		}
	}
}

func TestClaimFaults(t *testing.T) {
	quota := apierrors.NewForbidden(schema.GroupResource{Resource: "persistentvolumeclaims"}, "shared", fmt.Errorf("exceeded quota: disks"))
	m, target := withClaims(t, nil)
	_, plan, err := planStorage(t, m, target, 2*gib)
	if err != nil {
		t.Fatal(err)
	}
	m.faults = []fault{{call: "patch persistentvolumeclaims", err: quota}}
	if err := m.driver.Do(t.Context(), target, plan.Steps[0]); !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "ResourceQuota") {
		t.Errorf("quota: %v", err)
	}
	claims := m.api.CoreV1().PersistentVolumeClaims(namespace)
	c, err := claims.Get(t.Context(), "shared", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c.UID = types.UID("another")
	if _, err := claims.Update(t.Context(), c, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := m.driver.Do(t.Context(), target, plan.Steps[0]); !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "another claim") {
		t.Errorf("another claim: %v", err)
	}
	if err := claims.Delete(t.Context(), "shared", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := m.driver.Do(t.Context(), target, plan.Steps[0]); !errors.Is(err, actuators.ErrNotFound) {
		t.Errorf("gone: %v", err)
	}
}
