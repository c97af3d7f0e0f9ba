package diagnostics

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/options"
)

const (
	// allowedTTL and refusedTTL are how long the API server's answers are cached: a revoked token can read metrics
	// for at most another minute, and a new grant takes effect within ten seconds.
	allowedTTL = time.Minute
	refusedTTL = 10 * time.Second
	// allowedSize and refusedSize bound the caches. Refusals have their own cache so that a flood of wrong tokens
	// cannot evict the scraper's.
	allowedSize = 128
	refusedSize = 1024
	// maxReviews bounds how many requests wait for the API server at once.
	maxReviews    = 8
	reviewTimeout = 5 * time.Second
	reviewQPS     = 20
	reviewBurst   = 40
)

// Reviewers ask the API server who a client is and what it may do. They need the verb create on
// tokenreviews.authentication.k8s.io and subjectaccessreviews.authorization.k8s.io.
type Reviewers struct {
	// Tokens identifies the user of a bearer token.
	Tokens authenticationclient.TokenReviewInterface
	// Access checks what a user may do.
	Access authorizationclient.SubjectAccessReviewInterface
}

// NewReviewers returns Reviewers with their own rate limit, so that scrapes and controllers do not delay each other.
func NewReviewers(config *rest.Config) (Reviewers, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst, config.RateLimiter = reviewQPS, reviewBurst, nil
	config.Timeout = reviewTimeout
	rest.AddUserAgent(config, "diagnostics")
	tokens, err := authenticationclient.NewForConfig(config)
	if err != nil {
		return Reviewers{}, fmt.Errorf("cannot make a client for TokenReviews: %w", err)
	}
	access, err := authorizationclient.NewForConfig(config)
	if err != nil {
		return Reviewers{}, fmt.Errorf("cannot make a client for SubjectAccessReviews: %w", err)
	}
	return Reviewers{Tokens: tokens.TokenReviews(), Access: access.SubjectAccessReviews()}, nil
}

// verdict is the answer to one token and path.
type verdict struct {
	status int
	text   string
}

// gate admits users whom the API server allows to get the path.
type gate struct {
	reviewers Reviewers
	logger    *slog.Logger
	// allowed and refused are keyed by a hash of path and token, so that no token is kept.
	allowed *cache.LRUExpireCache
	refused *cache.LRUExpireCache
	slots   chan struct{}
}

// clock adapts a function to the cache's clock interface.
type clock func() time.Time

// Now returns the time.
func (c clock) Now() time.Time { return c() }

func newGate(reviewers Reviewers, logger *slog.Logger, now func() time.Time) *gate {
	return &gate{
		reviewers: reviewers,
		logger:    logger,
		allowed:   cache.NewLRUExpireCacheWithClock(allowedSize, clock(now)),
		refused:   cache.NewLRUExpireCacheWithClock(refusedSize, clock(now)),
		slots:     make(chan struct{}, maxReviews),
	}
}

// protect puts the gate in front of next.
func (g *gate) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := g.judge(r)
		switch v.status {
		case http.StatusOK:
			next.ServeHTTP(w, r)
			return
		case http.StatusUnauthorized:
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+options.ProgramName+`"`)
		}
		w.Header().Set("Connection", "close") // only authorized clients may keep connections
		http.Error(w, v.text, v.status)
	})
}

func (g *gate) judge(r *http.Request) verdict {
	token, found := bearerToken(r)
	if !found {
		return verdict{http.StatusUnauthorized, "a bearer token is needed: send the header Authorization: Bearer TOKEN"}
	}
	key := sha256.Sum256([]byte(r.URL.Path + "\x00" + token))
	for _, known := range []*cache.LRUExpireCache{g.allowed, g.refused} {
		if entry, hit := known.Get(key); hit {
			if v, ok := entry.(verdict); ok {
				return v
			}
		}
	}
	v, err := g.review(r.Context(), token, r.URL.Path)
	if err != nil {
		g.logFailure(r, err)
		return verdict{
			http.StatusServiceUnavailable, "the API server could not be asked about this token, try again later",
		}
	}
	if v.status == http.StatusOK {
		g.allowed.Add(key, v, allowedTTL)
	} else {
		g.refused.Add(key, v, refusedTTL)
	}
	return v
}

// logFailure logs at debug level what a flood would fill the log with, and clients that did not wait.
func (g *gate) logFailure(r *http.Request, err error) {
	level := slog.LevelWarn
	if errors.Is(err, errBusy) || r.Context().Err() != nil {
		level = slog.LevelDebug
	}
	g.logger.LogAttrs(r.Context(), level,
		"a request for metrics could not be checked; "+
			"the operator needs the verb create on tokenreviews and subjectaccessreviews",
		slog.String("path", r.URL.Path), slog.Any(names.ErrorKey, err))
}

var errBusy = errors.New("too many requests wait for the API server already")

// review asks the API server. An error means that there was no answer; it says nothing about the token.
func (g *gate) review(ctx context.Context, token, path string) (verdict, error) {
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	default:
		return verdict{}, errBusy
	}
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	user, known, err := g.authenticate(ctx, token)
	if err != nil {
		return verdict{}, err
	}
	if !known {
		return verdict{
			http.StatusUnauthorized, "the API server does not accept this token: it is wrong or has expired",
		}, nil
	}
	return g.authorize(ctx, user, path)
}

// authenticate returns the token's user, and whether the API server accepts the token.
func (g *gate) authenticate(ctx context.Context, token string) (user authenticationv1.UserInfo, known bool, err error) {
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	answer, err := g.reviewers.Tokens.Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return user, false, fmt.Errorf("create a TokenReview: %w", err)
	}
	return answer.Status.User, answer.Status.Authenticated, nil
}

func (g *gate) authorize(ctx context.Context, user authenticationv1.UserInfo, path string) (verdict, error) {
	extra := make(map[string]authorizationv1.ExtraValue, len(user.Extra))
	for key, values := range user.Extra {
		extra[key] = authorizationv1.ExtraValue(values)
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:                  user.Username,
		Groups:                user.Groups,
		UID:                   user.UID,
		Extra:                 extra,
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: path, Verb: "get"},
	}}
	answer, err := g.reviewers.Access.Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return verdict{}, fmt.Errorf("create a SubjectAccessReview: %w", err)
	}
	if !answer.Status.Allowed || answer.Status.Denied {
		return verdict{
			http.StatusForbidden,
			fmt.Sprintf("user %q may not do this: grant the verb get on the nonResourceURL %s", user.Username, path),
		}, nil
	}
	return verdict{status: http.StatusOK}, nil
}

// bearerToken returns the token of the Authorization header (RFC 6750, section 2.1).
func bearerToken(r *http.Request) (string, bool) {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	return token, found && token != "" && strings.EqualFold(scheme, "Bearer")
}
