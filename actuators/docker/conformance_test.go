package docker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"go.uber.org/goleak"

	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/actuators/conformance"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
	engine "github.com/engramd/engramd/testenv/docker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestE2EConformance(t *testing.T) {
	b := newBench(t, engine.LiveRestore())
	b.BuildImage(t, "workload:good", engine.Good())
	made := 0
	adopt := func(t *policy.Target) { t.AdoptUnlimited = true }
	conformance.Run(t, conformance.Suite{
		Patience: testenv.Patience(10 * time.Second),
		Fresh: func(t *testing.T, sizes policy.Size) conformance.Harness {
			made++
			name := fmt.Sprintf("engram-%d", made)
			service := map[string]string{"service": name}
			b.Run(t, engine.Spec{Name: name, Image: "workload:good", Labels: service, Change: func(o *client.ContainerCreateOptions) {
				cpu, limited := sizes[policy.CPU].Amount()
				o.HostConfig.NanoCPUs = cpu * 1e6
				if !limited { // unset would come back as unlimited: Docker has no way to clear it
					o.HostConfig.CPUQuota = -1
				}
				o.HostConfig.Memory, _ = sizes[policy.Memory].Amount()
				o.HostConfig.CpusetCpus = wholeHost(t).CPUs().String() // as with CPU
				if set, pinned := sizes[policy.CPUs].Set(); pinned {
					o.HostConfig.CpusetCpus = set
				}
			}})
			t.Cleanup(func() { b.removeAll(t, name) })
			return conformance.Harness{
				Driver: b.driver, Target: b.target(name), Absent: b.target("nobody"),
				Running: func(t *testing.T) int {
					n := 0
					for _, c := range b.Containers(t) {
						if c.Labels["service"] == name && c.State == "running" {
							n++
						}
					}
					return n
				},
				Away: func(*testing.T) { b.Kill() },
				Back: func(*testing.T) { b.Restart() },
			}
		},
		Moves: []conformance.Move{
			{Resource: policy.CPU, From: policy.Amount(500), To: policy.Amount(1500), Strategy: policy.Live},
			{Resource: policy.CPU, From: policy.Unlimited(), To: policy.Amount(1500), Strategy: policy.Live},
			{Resource: policy.Memory, From: policy.Amount(64 << 20), To: policy.Amount(128 << 20), Strategy: policy.Live},
			{Resource: policy.Memory, From: policy.Amount(128 << 20), To: policy.Amount(64 << 20), Strategy: policy.Live},
			{Name: "adopted memory", Resource: policy.Memory, From: policy.Quantity{}, To: policy.Amount(128 << 20), Strategy: policy.Live, Target: adopt},
			{Resource: policy.CPUs, From: policy.Unlimited(), To: policy.Set("0"), Strategy: policy.Live},
			{Resource: policy.CPUs, From: policy.Set("0"), To: policy.Set("1"), Strategy: policy.Live},
			{Resource: policy.CPUs, From: policy.Set("1"), To: policy.Unlimited(), Strategy: policy.Live},
			{Name: "cpus by restart", Resource: policy.CPUs, From: policy.Set("0"), To: policy.Set("1"), Strategy: policy.Restart, Target: byRestart(policy.CPUs)},
			{Name: "cpu by restart", Resource: policy.CPU, From: policy.Amount(500), To: policy.Amount(1500), Strategy: policy.Restart, Target: byRestart(policy.CPU)},
			{Name: "memory by restart", Resource: policy.Memory, From: policy.Quantity{}, To: policy.Amount(128 << 20), Strategy: policy.Restart, Target: byRestart(policy.Memory)},
		},
		Refused: []conformance.Move{
			{Resource: policy.CPUs, From: policy.Unlimited(), To: policy.Set("4096")},
			{Resource: policy.CPU, From: policy.Amount(500), To: policy.Amount(1_000_000)},
			{Resource: policy.Memory, From: policy.Amount(64 << 20), To: policy.Amount(1 << 20)},
			{Resource: policy.Memory, From: policy.Unlimited(), To: policy.Amount(64 << 20)},
		},
	})
}

// wholeHost is where the processors of this host lie.
func wholeHost(t *testing.T) policy.Topology {
	t.Helper()
	top, err := cgroup.Topology("/")
	if err != nil {
		t.Fatal(err)
	}
	if len(top.CPUs()) < 2 {
		t.Skip("a host with one processor has nothing to choose from")
	}
	return top
}

// removeAll removes the containers of a case, the kept ones too.
func (b bench) removeAll(t *testing.T, name string) {
	for _, c := range b.Containers(t) {
		if c.Labels["service"] != name {
			continue
		}
		_, err := b.Client().ContainerRemove(context.Background(), c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil {
			t.Errorf("remove %s: %v", c.ID, err)
		}
	}
}
