package sizing

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/engramd/engramd/policy/capacity"
)

// SnippetKinds are what Snippet can write.
func SnippetKinds() []string { return []string{"kubernetes", "compose", "systemd"} }

// Snippet writes a size as the lines that set it on a platform; of what is 0 there are none, since nothing is known of it. A request is
// half of its limit: the size has headroom. name is that of the container, service or unit.
func Snippet(kind, name string, s capacity.Size) (string, error) {
	if !slices.Contains(SnippetKinds(), kind) {
		return "", fmt.Errorf("there is no snippet for %q; there are %s", kind, strings.Join(SnippetKinds(), ", "))
	}
	if !plainName.MatchString(name) {
		return "", fmt.Errorf("%q is no name of a container, service or unit: want letters, digits and ._-", name)
	}
	cpu, memory := max(0, s.MilliCPU), mebibytes(max(0, s.MemoryBytes))
	switch {
	case kind == "kubernetes" && cpu+memory == 0:
		return claim(s), nil
	case cpu+memory == 0:
		return "", nil
	case kind == "kubernetes":
		return fmt.Sprintf(`spec:
  template:
    spec:
      containers:
        - name: %s
          resources:
            requests: {%s}
            limits: {%s}
`, name, resourceList((cpu+1)/2, (memory+1)/2), resourceList(cpu, memory)) + claim(s), nil
	case kind == "compose":
		return "services:\n  " + name + ":\n" +
			line(cpu, "    cpus: \"%g\"\n", float64(cpu)/1000) +
			line(memory, "    mem_limit: %dm\n", memory) +
			line(memory, "    mem_reservation: %dm\n", (memory+1)/2), nil
	default:
		return "[Service]\n" +
			line(cpu, "CPUQuota=%d%%\n", (cpu+9)/10) +
			line(memory, "MemoryHigh=%dM\n", (memory*9+9)/10) +
			line(memory, "MemoryMax=%dM\n", memory), nil
	}
}

// plainName is what every platform takes as it stands.
var plainName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?$`)

// line writes a value, if the amount that it comes from is known.
func line(amount int64, format string, value any) string {
	if amount == 0 {
		return ""
	}
	return fmt.Sprintf(format, value)
}

// resourceList writes what is known of requests or limits.
func resourceList(cpu, memory int64) string {
	var known []string
	for _, one := range []string{line(cpu, "cpu: %dm", cpu), line(memory, "memory: %dMi", memory)} {
		if one != "" {
			known = append(known, one)
		}
	}
	return strings.Join(known, ", ")
}

// claim is the request of a volume, as a comment: where it belongs differs.
func claim(s capacity.Size) string {
	if s.StorageBytes <= 0 {
		return ""
	}
	return fmt.Sprintf("# persistentVolumeClaim: resources: {requests: {storage: %dGi}}\n", (s.StorageBytes+1<<30-1)>>30)
}

func mebibytes(n int64) int64 { return (n + 1<<20 - 1) >> 20 }
