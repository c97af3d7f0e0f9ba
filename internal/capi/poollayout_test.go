package capi_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

func TestLayout(t *testing.T) {
	for name, test := range map[string]struct {
		spec                              capi.PoolSpec
		space, offers, excluded, reserved []string
		gateway                           string
	}{
		"if nothing is kept back, should offer all": {
			spec:  capi.PoolSpec{Addresses: []string{"10.0.0.10-10.0.0.12", "10.0.0.13"}},
			space: []string{"10.0.0.10-10.0.0.13"}, offers: []string{"10.0.0.10-10.0.0.13"},
		},
		"if addresses are kept back, should say why": {
			spec: capi.PoolSpec{
				Addresses: []string{"10.0.0.0/28"}, Prefix: 28, Gateway: "10.0.0.1",
				ExcludedAddresses: []string{"10.0.0.4-10.0.0.5", "10.9.9.9"},
			},
			space: []string{"10.0.0.0-10.0.0.15"}, offers: []string{"10.0.0.2-10.0.0.3", "10.0.0.6-10.0.0.14"},
			excluded: []string{"10.0.0.4-10.0.0.5"}, reserved: []string{"10.0.0.0", "10.0.0.15"}, gateway: "10.0.0.1",
		},
		"if the gateway is elsewhere, should name it": {
			spec:  capi.PoolSpec{Addresses: []string{"fd00::10-fd00::1f"}, Prefix: 64, Gateway: "fd00::1"},
			space: []string{"fd00::10-fd00::1f"}, offers: []string{"fd00::10-fd00::1f"}, gateway: "fd00::1",
		},
		"if nothing can be understood, should be empty": {
			spec: capi.PoolSpec{Addresses: []string{"nonsense"}, Gateway: "none"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			layout := (&capi.Pool{Spec: test.spec}).Layout()
			assert.Equal(t, test.space, texts(layout.Space))
			assert.Equal(t, test.offers, texts(layout.Offers))
			assert.Equal(t, test.excluded, texts(layout.Excluded))
			assert.Equal(t, test.reserved, texts(layout.Reserved))
			if test.gateway == "" {
				assert.False(t, layout.Gateway.IsValid())
				return
			}
			assert.Equal(t, test.gateway, layout.Gateway.String())
		})
	}
}

func texts(ranges []vip.Range) []string {
	var result []string
	for _, r := range ranges {
		text := r.From.String()
		if r.From != r.To {
			text += "-" + r.To.String()
		}
		result = append(result, text)
	}
	return result
}
