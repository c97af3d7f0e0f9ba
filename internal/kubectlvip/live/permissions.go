package live

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/charts"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

// reviews is how many access reviews run concurrently.
const reviews = 8

// Permissions asks the API server whether the operator's service account has the permissions it needs: each rule of
// the chart, in the namespaces that the operator looks at.
func (w *World) Permissions(ctx context.Context) (*view.Permissions, error) {
	operator := &w.Operators[0]
	if operator.ServiceAccount == "" {
		return &view.Permissions{
			Skipped: "no Deployment of the operator was found, so its service account is not known",
		}, nil
	}
	var rules map[string][]rbacv1.PolicyRule
	if err := yaml.UnmarshalStrict(charts.Rules, &rules); err != nil {
		return nil, fmt.Errorf("read the rules of the chart: %w", err)
	}
	var asked []*authorizationv1.ResourceAttributes
	for _, part := range []struct{ key, namespace string }{
		{"watched", operator.WatchesNamespace}, {"cluster", ""}, {"own", operator.Namespace},
	} {
		asked = append(asked, requests(rules[part.key], part.namespace)...)
	}
	permissions := &view.Permissions{Permissions: make([]view.Permission, len(asked))}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(reviews)
	for i, request := range asked {
		group.Go(func() error {
			allowed, err := w.allowed(ctx, operator, request)
			permissions.Permissions[i] = view.Permission{What: what(request), Allowed: allowed}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return &view.Permissions{
			Skipped: "the operator's permissions cannot be asked for (" + shortly(err) + " on SubjectAccessReviews)",
		}, nil
	}
	return permissions, nil
}

// requests returns each permission of the rules as one request.
func requests(rules []rbacv1.PolicyRule, namespace string) []*authorizationv1.ResourceAttributes {
	var all []*authorizationv1.ResourceAttributes
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					resource, subresource, _ := strings.Cut(resource, "/")
					all = append(all, &authorizationv1.ResourceAttributes{
						Namespace: namespace, Verb: verb, Group: group, Version: "*", Resource: resource,
						Subresource: subresource,
					})
				}
			}
		}
	}
	return all
}

func (w *World) allowed(
	ctx context.Context, operator *view.Operator, request *authorizationv1.ResourceAttributes,
) (bool, error) {
	account := "system:serviceaccount:" + operator.Namespace + ":" + operator.ServiceAccount
	review, err := w.reader.core.AuthorizationV1().SubjectAccessReviews().Create(ctx,
		&authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{
				User: account, Groups: []string{
					"system:serviceaccounts", "system:serviceaccounts:" + operator.Namespace, "system:authenticated",
				},
				ResourceAttributes: request,
			},
		}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

// what names a permission, as in "patch clusters/status.cluster.x-k8s.io".
func what(request *authorizationv1.ResourceAttributes) string {
	text := request.Verb + " " + request.Resource
	if request.Subresource != "" {
		text += "/" + request.Subresource
	}
	if request.Group != "" {
		text += "." + request.Group
	}
	if request.Namespace != "" {
		text += " in namespace " + request.Namespace
	}
	return text
}
