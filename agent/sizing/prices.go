package sizing

import (
	"fmt"
	"os"

	"sigs.k8s.io/yaml"

	"github.com/engramd/engramd/policy/capacity"
)

// maxPrices bounds a table of prices.
const maxPrices = 1 << 20

// ReadPrices reads a table of prices, YAML or JSON with the keys of [capacity.Prices]. An unknown key is
// an error: a price that is misspelt would count as nothing.
func ReadPrices(path string) (capacity.Prices, error) {
	var p capacity.Prices
	text, err := os.ReadFile(path)
	if err != nil {
		return p, fmt.Errorf("read the prices: %w", err)
	}
	if len(text) > maxPrices {
		return p, fmt.Errorf("read the prices: %s has %d bytes, more than a table of prices can", path, len(text))
	}
	if err := yaml.UnmarshalStrict(text, &p); err != nil {
		return p, fmt.Errorf("prices in %s: %w", path, err)
	}
	if err := p.Validate(); err != nil {
		return p, fmt.Errorf("prices in %s: %w", path, err)
	}
	return p, nil
}
