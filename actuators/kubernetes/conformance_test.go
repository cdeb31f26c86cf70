package kubernetes_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/engramd/engramd/actuators/conformance"
	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/policy"
)

// sized are the resources of a container with these sizes: a request of half its limit.
func sized(sizes policy.Size) corev1.ResourceRequirements {
	r := corev1.ResourceRequirements{Limits: corev1.ResourceList{}, Requests: corev1.ResourceList{}}
	if n, ok := sizes[policy.CPU].Amount(); ok {
		r.Limits[corev1.ResourceCPU] = *resource.NewMilliQuantity(n, resource.DecimalSI)
		r.Requests[corev1.ResourceCPU] = *resource.NewMilliQuantity(n/2, resource.DecimalSI)
	}
	if n, ok := sizes[policy.Memory].Amount(); ok {
		r.Limits[corev1.ResourceMemory] = *resource.NewQuantity(n, resource.BinarySI)
		r.Requests[corev1.ResourceMemory] = *resource.NewQuantity(n/2, resource.BinarySI)
	}
	return r
}

func moves() []conformance.Move {
	restart := func(t *policy.Target) {
		t.Apply = map[policy.Resource]policy.Apply{policy.CPU: policy.ApplyRestart, policy.Memory: policy.ApplyRestart}
	}
	return []conformance.Move{
		{Resource: policy.CPU, From: policy.Amount(200), To: policy.Amount(400), Strategy: policy.Live},
		{Resource: policy.CPU, From: policy.Amount(400), To: policy.Amount(200), Strategy: policy.Live},
		{Resource: policy.Memory, From: policy.Amount(64 << 20), To: policy.Amount(128 << 20), Strategy: policy.Live},
		{Resource: policy.Memory, From: policy.Amount(128 << 20), To: policy.Amount(64 << 20), Strategy: policy.Live},
		{Name: "cpu by restart", Resource: policy.CPU, From: policy.Amount(200), To: policy.Amount(400), Strategy: policy.Restart, Target: restart},
		{Name: "memory by restart", Resource: policy.Memory, From: policy.Amount(64 << 20), To: policy.Amount(128 << 20), Strategy: policy.Restart, Target: restart},
	}
}

func refused() []conformance.Move {
	return []conformance.Move{
		{Resource: policy.CPU, From: policy.Quantity{}, To: policy.Amount(200)},
		{Resource: policy.CPU, From: policy.Amount(200), To: policy.Unlimited()},
		{Resource: policy.Memory, From: policy.Amount(64 << 20), To: policy.Amount(0)},
	}
}

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Suite{
		Fresh: func(t *testing.T, sizes policy.Size) conformance.Harness {
			m := newModel(t)
			target := m.start(service{kind: "StatefulSet", name: "web", pods: 3, resources: sized(sizes)})
			return conformance.Harness{
				Driver: m.driver, Target: target,
				Absent: policy.Target{Name: "nobody", Specs: map[string]any{"kubernetes": &kubernetes.Spec{StatefulSet: "nobody"}}},
				Away:   func(*testing.T) { m.set(func(m *model) { m.away = true }) },
				Back:   func(*testing.T) { m.set(func(m *model) { m.away = false }) },
			}
		},
		Moves: moves(), Refused: refused(),
	})
}
