package capi_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
)

// secret is the value of a variable that answers of the API server quote when they refuse it.
const secret = "correct-horse-battery"

// invalid is how Cluster API's webhook refuses a Cluster, with the values that its errors quote.
func invalid(causes ...*field.Error) *apierrors.StatusError {
	err := apierrors.NewInvalid(schema.GroupKind{Group: capi.ClusterGroup, Kind: capi.KindCluster}, "prod", causes)
	err.ErrStatus.Message = `admission webhook "validation.cluster.cluster.x-k8s.io" denied the request: ` +
		err.ErrStatus.Message
	return err
}

func forbidden(resource, why string) *apierrors.StatusError {
	return apierrors.NewForbidden(schema.GroupResource{Group: capi.ClusterGroup, Resource: resource}, "prod",
		errors.New(why))
}

func TestPrintable(t *testing.T) {
	topology := field.NewPath("spec", "topology")
	password := topology.Child("variables").Key("password")
	bad := func(path *field.Path) *field.Error {
		return field.Invalid(path, `"`+secret+`"`, "should be at most 8 chars long")
	}
	says := `admission webhook "validation.cluster.cluster.x-k8s.io" denied the request (422 Unprocessable Entity): `
	reasonOfWebhook := &apierrors.StatusError{ErrStatus: metav1.Status{
		Code: http.StatusForbidden, Reason: secret,
		Message: `admission webhook "a.example.com" denied the request: ` + secret,
		Details: &metav1.StatusDetails{
			Causes: []metav1.StatusCause{{Field: secret, Type: "the value " + secret, Message: secret}},
		},
	}}
	policy := `ValidatingAdmissionPolicy 'no-fridays' with binding 'all' denied request`
	quota := "exceeded quota: claims, requested: count/ipaddressclaims.ipam.cluster.x-k8s.io=1, used: " +
		"count/ipaddressclaims.ipam.cluster.x-k8s.io=2, " +
		"limited: count/ipaddressclaims.ipam.cluster.x-k8s.io=2"
	rights := `User "system:serviceaccount:ns:sa" cannot patch resource "clusters/status" ` +
		`in API group "cluster.x-k8s.io" in the namespace "tenant"`
	many := field.ErrorList{}
	for i := range 7 {
		many = append(many, bad(field.NewPath("spec", "list").Index(i)))
	}
	tests := map[string]struct {
		err  error
		want string
	}{
		"if a value of a variable is invalid, should name the variable": {
			invalid(bad(password.Child("value"))), says + "spec.topology.variables[password].value: FieldValueInvalid",
		},
		"if it is deep in a value, should leave out the keys, which are the user's": {
			invalid(bad(password.Child("value", secret, "b")), bad(password.Child("value").Key(secret))),
			says + "spec.topology.variables[password].value: FieldValueInvalid",
		},
		"if it is an override's, should leave out whose": {
			invalid(bad(topology.Child("workers", "machineDeployments").Key(secret).Child("variables",
				"overrides").Key("password").Child("value"))),
			says + "spec.topology.workers.machineDeployments[*].variables.overrides[password].value: FieldValueInvalid",
		},
		"if a field has several keys, should leave out each": {
			invalid(bad(field.NewPath("metadata", "annotations").Key(secret).Key(secret))),
			says + "metadata.annotations[*][*]: FieldValueInvalid",
		},
		"if what should be a field is a text, should leave it out": {
			invalid(bad(field.NewPath(secret))), says + "FieldValueInvalid",
		},
		"if there are many, should name some": {invalid(many...), says +
			"spec.list[0]: FieldValueInvalid, spec.list[1]: FieldValueInvalid, spec.list[2]: FieldValueInvalid, " +
			"spec.list[3]: FieldValueInvalid, spec.list[4]: FieldValueInvalid, and 2 more"},
		"if a webhook puts free text everywhere, should keep its name alone": {
			reasonOfWebhook, `admission webhook "a.example.com" denied the request (403 Forbidden)`,
		},
		"if a policy refuses, should keep its name": {
			forbidden("clusters", policy+": "+secret), policy + " (403 Forbidden)",
		},
		"if a quota is exhausted, should say of what": {
			forbidden("ipaddressclaims", quota), quota + " (403 Forbidden)",
		},
		"if something only begins like a quota, should say little": {
			forbidden("clusters", "exceeded quota: claims, because of "+secret),
			"the API server answers (403 Forbidden)",
		},
		"if a right is missing, should say which": {
			forbidden("clusters", rights), rights + " (403 Forbidden)",
		},
		"if a webhook cannot be reached, should name it": {
			apierrors.NewInternalError(errors.New(`failed calling webhook "a.example.com": ` + secret)),
			`failed calling webhook "a.example.com" (500 Internal Server Error)`,
		},
		"if a webhook speaks as a policy, should not believe it": {
			&apierrors.StatusError{ErrStatus: metav1.Status{
				Code: 400, Message: `admission webhook "a" denied the request: x is forbidden: ` + policy,
			}}, `admission webhook "a" denied the request (400 Bad Request)`,
		},
		"if the answer has no text, should have one": {
			&apierrors.StatusError{ErrStatus: metav1.Status{Code: 500}},
			"the API server answers (500 Internal Server Error)",
		},
		"if it is no answer, should stay": {io.ErrUnexpectedEOF, io.ErrUnexpectedEOF.Error()},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := capi.Printable(tt.err)
			assert.Equal(t, tt.want, got.Error())
			require.ErrorIs(t, got, tt.err)
		})
	}
	t.Run("if it is wrapped and joined, should keep what others say, and say it once", func(t *testing.T) {
		inner := fmt.Errorf("set annotation: %w", invalid(bad(password.Child("value"))))
		want := "set annotation: " + says + "spec.topology.variables[password].value: FieldValueInvalid\n" +
			`storage: admission webhook "a.example.com" denied the request (403 Forbidden)`
		got := capi.Printable(errors.Join(inner, fmt.Errorf("storage: %w", reasonOfWebhook)))
		assert.Equal(t, want, got.Error())
		assert.Equal(t, "again: "+want, capi.Printable(fmt.Errorf("again: %w", got)).Error())
		assert.True(t, apierrors.IsInvalid(got))
	})
	t.Run("if one text begins with another, should leave nothing of either", func(t *testing.T) {
		got := capi.Printable(errors.Join(forbidden("clusters", "a"), forbidden("clusters", "a"+secret)))
		assert.NotContains(t, got.Error(), secret)
	})
	t.Run("if someone has put it in other words, should not trust these", func(t *testing.T) {
		got := capi.Printable(rephrased{invalid(bad(password.Child("value")))})
		assert.NotContains(t, got.Error(), secret)
	})
	t.Run("if there is none, should be none", func(t *testing.T) { require.NoError(t, capi.Printable(nil)) })
}

type rephrased struct{ error }

func (r rephrased) Error() string { return "it says >>" + secret + "<<" }

func (r rephrased) Unwrap() error { return r.error }

func TestPrintableWarning(t *testing.T) {
	const (
		deprecated = "cluster.x-k8s.io/v1beta1 Cluster is deprecated"
		replaced   = "a.io/v1beta1 Kind is deprecated in v1.21+, unavailable in v1.25+; use a.io/v1 Kind"
	)
	for text, want := range map[string]string{
		deprecated: deprecated,
		replaced:   replaced,
		"a.io/v1beta1 Kind is deprecated; the password is " + secret: "",
		"Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': the password is " +
			secret: "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b'",

		// Not a known warning, so nothing of it may be printed.
		"the password is " + secret: "",
	} {
		assert.Equal(t, want, capi.PrintableWarning(text), text)
	}
}

func TestIsRefusal(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"if it is invalid, should be one":   {invalid(), true},
		"if it is forbidden, should be one": {forbidden("clusters", "no"), true},
		"if it is too large for etcd, should be one": {
			apierrors.NewInternalError(errors.New("etcdserver: request is too large")), true,
		},
		"if that is printable, should be one still": {
			capi.Printable(apierrors.NewInternalError(errors.New("etcdserver: request is too large"))), true,
		},
		"if the object has changed, should be none": {
			apierrors.NewConflict(schema.GroupResource{}, "prod", io.EOF), false,
		},
		"if the API server is in trouble, should not": {apierrors.NewServiceUnavailable("down"), false},
		"if no answer came, should not":               {io.ErrUnexpectedEOF, false},
		"if there is no error, should not":            {nil, false},
		"if a test of a JSON patch failed, should not": {
			apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", "", 0,
				false), false,
		},
		"if the object is being deleted, should not be": {
			invalid(field.Forbidden(field.NewPath("metadata", "finalizers"), "no new ones")), false,
		},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.want, capi.IsRefusal(tt.err)) })
	}
}
