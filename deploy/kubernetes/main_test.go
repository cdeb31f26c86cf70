package kubernetes_test

import (
	"os"
	"testing"

	cluster "github.com/engramd/engramd/testenv/kubernetes"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }
