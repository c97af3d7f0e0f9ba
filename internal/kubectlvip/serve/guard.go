// Package serve serves the pages of package web: to the person who runs kubectl vip, on loopback and only to those who
// know the token in the address; or from a pod, to everyone whom the API server's proxy of services lets through.
package serve

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/web"
)

// tokenParameter is the name of the token's query parameter.
const tokenParameter = "token"

// policy allows only what the pages themselves consist of.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'"

// shield restricts browsers to what the pages consist of, and rejects requests that do not only read.
func shield(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-store")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		if !reads(r) {
			header.Set("Allow", "GET, HEAD")
			refuse(w, r, http.StatusMethodNotAllowed, "Only to read", "Nothing can be changed here.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// guard admits requests from the browser that was given the address with the token, and from our own pages.
type guard struct {
	token string
	// cookie is the name of the cookie, one per port: browsers send the cookies of a host to all its ports.
	cookie string
	next   http.Handler
}

func newGuard(port uint16, next http.Handler) *guard {
	return &guard{token: rand.Text(), cookie: fmt.Sprintf("kubectl-vip-%d", port), next: next}
}

// value returns the value of the cookie, which does not reveal the token.
func (g *guard) value() string { return fmt.Sprintf("%x", sha256.Sum256([]byte("cookie "+g.token))) }

// ServeHTTP implements http.Handler.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !isLoopbackName(r.Host):
		// Someone else's DNS may point a name here so that their page can read ours.
		refuse(w, r, http.StatusMisdirectedRequest, "Not this host", "Use the address that kubectl vip ui printed.")
	case r.URL.Path == web.PathPools && same(r.URL.Query().Get(tokenParameter), g.token):
		g.admit(w, r)
	case !g.knows(r):
		refuse(w, r, http.StatusForbidden, "Who are you?",
			"Use the address that kubectl vip ui printed: it has a token.")
	default:
		g.next.ServeHTTP(w, r)
	}
}

// admit sets the cookie. The page leads the browser on: a redirect would count as coming from the site whose link was
// followed, and the browser would not send the cookie, which is strict.
func (g *guard) admit(w http.ResponseWriter, r *http.Request) {
	//nolint:gosec // not Secure: there is no TLS on loopback
	http.SetCookie(w, &http.Cookie{
		Name: g.cookie, Value: g.value(), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	w.Header().Set("Refresh", "0; url="+web.HrefPools)
	refuse(w, r, http.StatusOK, "Welcome", "The pools are shown at once.")
}

func (g *guard) knows(r *http.Request) bool {
	cookie, err := r.Cookie(g.cookie)
	return err == nil && same(cookie.Value, g.value())
}

// reads reports whether a request only reads. A manifest to plan is posted, but changes nothing.
func reads(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodPost:
		return r.URL.Path == web.PathPlan
	}
	return false
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// refuse answers with a page that says why.
func refuse(w http.ResponseWriter, r *http.Request, status int, title, says string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = web.Problem(w, r.URL.Path, title, says) // a client that has gone needs no answer
}

// isLoopbackName reports whether a host, with or without a port, is a name of this machine that no DNS can redirect.
func isLoopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
