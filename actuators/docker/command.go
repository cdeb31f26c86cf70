package docker

import (
	"fmt"
	"strconv"
	"strings"
)

// liveCommand is the update that a person would type.
func (p *planner) liveCommand() string {
	words := append(dockerCommand(p.facts.Host), "update")
	if p.cpu != nil {
		words = append(words, p.cpu.live.flags()...)
	}
	if p.memory != nil {
		words = append(words, p.memory.live.flags()...)
	}
	if p.cpuset != nil {
		words = append(words, p.cpuset.live.flags()...)
	}
	if p.cpu == nil && p.memory == nil && p.cpuset == nil {
		return ""
	}
	return strings.Join(append(words, p.facts.Name), " ")
}

// restartCommand is what a recreate comes to, for people to read: nobody can type everything of a
// container, and some of it is secret.
func (p *planner) restartCommand(r recreation) string {
	docker := strings.Join(dockerCommand(p.facts.Host), " ")
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, docker+" "+fmt.Sprintf(format, args...)) }
	if !r.Restart.none() {
		add("update --restart no %s", r.Name)
	}
	if r.StopSeconds != nil {
		add("stop --time %d %s", *r.StopSeconds, r.Name)
	} else {
		add("stop %s", r.Name)
	}
	add("rename %s %s", r.Name, r.Kept)
	words := []string{"create --name", r.Name}
	if r.CPU != nil {
		words = append(words, r.CPU.flags()...)
	}
	if r.Memory != nil {
		words = append(words, r.Memory.flags()...)
	}
	if r.Cpuset != nil {
		words = append(words, r.Cpuset.flags()...)
	}
	words = append(words, "...", shortImage(r.Image))
	add("%s  # and everything else that `docker inspect %s` shows", strings.Join(words, " "), r.Kept)
	add("start %s", r.Name)
	add("rm %s  # once the change is committed", r.Kept)
	return strings.Join(lines, "\n")
}

func dockerCommand(host string) []string {
	if host == "" {
		return []string{"docker"}
	}
	return []string{"docker", "-H", host}
}

func (c cpuSetting) flags() []string {
	switch {
	case c.NanoCPUs > 0:
		return []string{"--cpus", strconv.FormatFloat(float64(c.NanoCPUs)/1e9, 'f', -1, 64)}
	case c.Quota != 0:
		return []string{"--cpu-quota", strconv.FormatInt(c.Quota, 10)}
	}
	return nil
}

func (m memorySetting) flags() []string {
	if m.Memory <= 0 {
		return nil
	}
	words := []string{"--memory", size(m.Memory)}
	if m.Swap != 0 {
		words = append(words, "--memory-swap", size(m.Swap))
	}
	if m.Reservation > 0 {
		words = append(words, "--memory-reservation", size(m.Reservation))
	}
	return words
}

// size writes bytes as the docker command reads them.
func size(n int64) string {
	for _, u := range []struct {
		bytes  int64
		suffix string
	}{{1 << 30, "g"}, {1 << 20, "m"}, {1 << 10, "k"}} {
		if n > 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}

// shortImage is an image's id as `docker images` shows it.
func shortImage(id string) string {
	return short(strings.TrimPrefix(id, "sha256:"))
}
