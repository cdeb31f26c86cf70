package sizing

import (
	"fmt"
	"strings"

	"github.com/engramd/engramd/policy/capacity"
)

// SnippetKinds are what Snippet can write.
func SnippetKinds() []string { return []string{"kubernetes", "compose", "systemd"} }

// Snippet writes a size as the lines that set it on a platform. A request is half of its limit: the size has headroom. name is that of
// the container, service or unit.
func Snippet(kind, name string, s capacity.Size) (string, error) {
	memory := mebibytes(s.MemoryBytes)
	switch kind {
	case "kubernetes":
		return fmt.Sprintf(`spec:
  template:
    spec:
      containers:
        - name: %s
          resources:
            requests: {cpu: %dm, memory: %dMi}
            limits: {cpu: %dm, memory: %dMi}
`, name, s.MilliCPU/2, memory/2, s.MilliCPU, memory) + claim(s), nil
	case "compose":
		return fmt.Sprintf(`services:
  %s:
    cpus: "%g"
    mem_limit: %dm
    mem_reservation: %dm
`, name, float64(s.MilliCPU)/1000, memory, memory/2), nil
	case "systemd":
		return fmt.Sprintf(`[Service]
CPUQuota=%d%%
MemoryHigh=%dM
MemoryMax=%dM
`, (s.MilliCPU+9)/10, memory*9/10, memory), nil
	}
	return "", fmt.Errorf("there is no snippet for %q; there are %s", kind, strings.Join(SnippetKinds(), ", "))
}

// claim is the request of a volume, as a comment: where it belongs differs.
func claim(s capacity.Size) string {
	if s.StorageBytes <= 0 {
		return ""
	}
	return fmt.Sprintf("# persistentVolumeClaim: resources: {requests: {storage: %dGi}}\n", (s.StorageBytes+1<<30-1)>>30)
}

func mebibytes(n int64) int64 { return (n + 1<<20 - 1) >> 20 }
