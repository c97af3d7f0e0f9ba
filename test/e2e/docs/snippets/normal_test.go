package snippets

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNormal(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"if a random suffix looks like an age, should still be a suffix": {
			"Cluster rome-8m57d  3m12s", "Cluster rome-RANDOM AGE",
		},
		"if it is an age, should be one": {"ready   45s (x3 over 2m)", "ready AGE"},
		"if a name has no random suffix, should leave it": {
			"demo-ingress 2026-11-22T10:00:00Z", "demo-ingress TIME",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.want, normal(tt.text)) })
	}
}
