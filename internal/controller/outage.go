package controller

import (
	"errors"
	"net"
	"net/http"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// lookout notices requests that get no answer, so that nobody needs to keep asking whether the API server is there.
type lookout struct{ outage chan struct{} }

func newLookout() lookout { return lookout{outage: make(chan struct{}, 1)} }

// wrap is a rest.Config's transport wrapper.
func (l lookout) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(request)
		if isUnreachable(err) && request.Context().Err() == nil {
			select {
			case l.outage <- struct{}{}:
			default: // it is known already
			}
		}
		return response, err
	})
}

// noticed reports whether there was an outage since the last call.
func (l lookout) noticed() bool {
	select {
	case <-l.outage:
		return true
	default:
		return false
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// isUnreachable reports whether a round trip failed because there is nothing to connect to. A slow server is there.
func isUnreachable(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	return err != nil && !utilnet.IsTimeout(err)
}
