package diagnostics

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
)

// fakeAPI knows the tokens "scraper" and "stranger"; only the user of the first may get /metrics.
type fakeAPI struct {
	client  *fake.Clientset
	tokens  int
	lastSAR authorizationv1.SubjectAccessReviewSpec
	down    bool
}

func newFakeAPI() *fakeAPI {
	api := &fakeAPI{client: fake.NewClientset()}
	api.client.PrependReactor("create", "tokenreviews", api.reviewToken)
	api.client.PrependReactor("create", "subjectaccessreviews", api.reviewAccess)
	return api
}

// created returns the object that a request creates; it panics if the fake is wired wrongly.
func created[T runtime.Object](action clienttesting.Action) T {
	if create, ok := action.(clienttesting.CreateAction); ok {
		if object, ok := create.GetObject().(T); ok {
			return object
		}
	}
	panic("not the request that was expected: " + action.GetVerb() + " " + action.GetResource().Resource)
}

func (a *fakeAPI) reviewToken(action clienttesting.Action) (bool, runtime.Object, error) {
	a.tokens++
	if a.down {
		return true, nil, errors.New("connection refused")
	}
	review := created[*authenticationv1.TokenReview](action)
	if review.Spec.Token == "scraper" || review.Spec.Token == "stranger" {
		review.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{
			Username: review.Spec.Token, Groups: []string{"g"}, UID: "u",
			Extra: map[string]authenticationv1.ExtraValue{"k": {"v"}},
		}}
	}
	return true, review, nil
}

func (a *fakeAPI) reviewAccess(action clienttesting.Action) (bool, runtime.Object, error) {
	review := created[*authorizationv1.SubjectAccessReview](action)
	a.lastSAR = review.Spec
	review.Status.Allowed = review.Spec.User == "scraper"
	return true, review, nil
}

func (a *fakeAPI) reviewers() Reviewers {
	return Reviewers{
		Tokens: a.client.AuthenticationV1().TokenReviews(), Access: a.client.AuthorizationV1().SubjectAccessReviews(),
	}
}

// knock sends a request through the gate.
func knock(g *gate, authorization string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
	request.Header.Set("Authorization", authorization)
	recorder := httptest.NewRecorder()
	g.protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	})).ServeHTTP(recorder, request)
	return recorder
}

func TestGate(t *testing.T) {
	tests := map[string]struct {
		authorization string
		down          bool
		status        int
		text          string
	}{
		"if there is no header, should ask for a token": {
			"", false, http.StatusUnauthorized, "Authorization: Bearer TOKEN",
		},
		"if it is another scheme, should ask for a token": {
			"Basic abc", false, http.StatusUnauthorized, "Authorization: Bearer TOKEN",
		},
		"if the token is empty, should ask for a token": {
			"Bearer  ", false, http.StatusUnauthorized, "Authorization: Bearer TOKEN",
		},
		"if the token is wrong, should say so": {
			"Bearer wrong", false, http.StatusUnauthorized, "wrong or has expired",
		},
		"if the user may not, should say what to grant": {
			"Bearer stranger", false, http.StatusForbidden,
			`"stranger" may not do this: grant the verb get on the nonResourceURL /metrics`,
		},
		"if the user may, should let through":                   {"Bearer scraper", false, http.StatusOK, ""},
		"if the scheme is in small letters, should let through": {"bearer scraper", false, http.StatusOK, ""},
		"if the API server is down, should not judge": {
			"Bearer scraper", true, http.StatusServiceUnavailable, "try again later",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			api := newFakeAPI()
			api.down = test.down
			answer := knock(newGate(api.reviewers(), slog.New(slog.DiscardHandler), time.Now), test.authorization)
			assert.Equal(t, test.status, answer.Code)
			assert.Contains(t, answer.Body.String(), test.text)
			assert.Equal(t, test.status == http.StatusUnauthorized, answer.Header().Get("WWW-Authenticate") != "")
		})
	}
}

func TestGateAsksAboutTheWholeUser(t *testing.T) {
	api := newFakeAPI()
	knock(newGate(api.reviewers(), slog.New(slog.DiscardHandler), time.Now), "Bearer scraper")
	assert.Equal(t, authorizationv1.SubjectAccessReviewSpec{
		User: "scraper", Groups: []string{"g"}, UID: "u", Extra: map[string]authorizationv1.ExtraValue{"k": {"v"}},
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/metrics", Verb: "get"},
	}, api.lastSAR)
}

func TestGateRemembers(t *testing.T) {
	now := time.Now()
	api := newFakeAPI()
	g := newGate(api.reviewers(), slog.New(slog.DiscardHandler), func() time.Time { return now })
	ask := func(token string, want int) {
		t.Helper()
		assert.Equal(t, want, knock(g, "Bearer "+token).Code)
	}
	ask("scraper", http.StatusOK)
	ask("wrong", http.StatusUnauthorized)
	require.Equal(t, 2, api.tokens)
	now = now.Add(refusedTTL + time.Millisecond)
	ask("scraper", http.StatusOK)
	require.Equal(t, 2, api.tokens, "an allowed token should be remembered")
	ask("wrong", http.StatusUnauthorized)
	require.Equal(t, 3, api.tokens, "a refused token should be asked about again soon")

	for i := range 2 * refusedSize {
		knock(g, "Bearer flood"+strconv.Itoa(i))
	}
	assert.LessOrEqual(t, len(g.refused.Keys()), refusedSize, "memory should be bounded")
	asked := api.tokens
	ask("scraper", http.StatusOK)
	assert.Equal(t, asked, api.tokens, "a flood of wrong tokens should not push the right one out")

	now = now.Add(allowedTTL + time.Millisecond)
	api.down = true
	ask("scraper", http.StatusServiceUnavailable)
	api.down = false
	ask("scraper", http.StatusOK)
}

func TestGateBoundsWaiting(t *testing.T) {
	api := newFakeAPI()
	g := newGate(api.reviewers(), slog.New(slog.DiscardHandler), time.Now)
	for range maxReviews {
		g.slots <- struct{}{}
	}
	assert.Equal(t, http.StatusServiceUnavailable, knock(g, "Bearer scraper").Code)
	assert.Zero(t, api.tokens)
}

func TestNewReviewers(t *testing.T) {
	config := &rest.Config{Host: "https://127.0.0.1:6443", QPS: 1000}
	reviewers, err := NewReviewers(config)
	require.NoError(t, err)
	assert.NotNil(t, reviewers.Tokens)
	assert.NotNil(t, reviewers.Access)
	assert.InDelta(t, 1000, config.QPS, 0, "the caller's configuration should stay as it is")
}
