package kubernetes_test

import (
	"os"
	"strings"
	"testing"

	"github.com/engramd/engramd/testenv/kubernetes"
)

// What the programs call themselves is what the recipe builds.
func TestVersionIsTheRecipes(t *testing.T) {
	recipe, err := os.ReadFile("recipe/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if want := "k8s.io/kubernetes " + kubernetes.Version + " "; !strings.Contains(string(recipe), want) {
		t.Errorf("recipe/go.mod does not require %s", want)
	}
}
