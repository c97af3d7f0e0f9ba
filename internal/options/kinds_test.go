package options

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzPoolKinds checks that accepted text names kinds, and that formatting and parsing them again gives the same.
func FuzzPoolKinds(f *testing.F) {
	f.Add("ipam.example.com/v1/ExamplePool")
	f.Add("a.b/v1/A, c.d/v1beta1/C,")
	f.Add("/v1/X,a//X,a/v1/")
	f.Fuzz(func(t *testing.T, text string) {
		kinds, err := parseKinds(text)
		if err != nil {
			return
		}
		for _, kind := range kinds {
			assert.NotEmpty(t, kind.Group)
			assert.NotEmpty(t, kind.Version)
			assert.NotEmpty(t, kind.Kind)
		}
		again, err := parseKinds(FormatKinds(kinds))
		require.NoError(t, err)
		assert.Equal(t, kinds, again)
	})
}
