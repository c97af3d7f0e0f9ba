package capi

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// rejected is the message of a 422 without a reason, from apierrors.NewGenericServerResponse.
const rejected = "the server rejected our request due to an error in our request"

// IsOutdated reports whether a write was refused because the object has changed since the decision: a conflict,
// another object of that name, none of it, a deletion that forbids new finalizers, or a JSON patch whose test failed.
// The API server answers the last with a 422 whose only text is rejected; every other 422 names what is invalid, or who
// refused it.
func IsOutdated(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	s := status.Status()
	ofFinalizers := func(c metav1.StatusCause) bool { return c.Field == "metadata.finalizers" }
	if s.Details != nil && slices.ContainsFunc(s.Details.Causes, ofFinalizers) {
		return true // deletion was requested in the meantime, and then no finalizer can be added
	}
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) ||
		s.Code == http.StatusUnprocessableEntity && s.Message == rejected
}

// IsTooLarge reports whether a write was refused because the object would be too large to store. To the API server
// that is an internal error of etcd or its client, recognisable only by its text.
func IsTooLarge(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	said := status.Status().Message
	return apierrors.IsRequestEntityTooLargeError(err) ||
		strings.Contains(said, "etcdserver: request is too large") ||
		strings.Contains(said, "trying to send message larger than max")
}

// IsFull reports whether a write was refused because all annotations together would exceed their limit.
func IsFull(err error) bool {
	var status apierrors.APIStatus
	return apierrors.IsInvalid(err) && errors.As(err, &status) && status.Status().Details != nil &&
		slices.ContainsFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool {
			return c.Field == "metadata.annotations" && c.Type == metav1.CauseTypeTooLong
		})
}

// IsRefusal reports whether the API server, or an admission webhook or policy, refuses a write and will refuse it
// however often it is tried. An outdated write is not one of these, though the API server may call it invalid as
// well.
func IsRefusal(err error) bool {
	refused := apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsInvalid(err) ||
		apierrors.IsBadRequest(err) || IsTooLarge(err)
	return refused && !IsOutdated(err)
}

// Printable returns an error that unwraps to err and whose text is safe for a log, an event or a condition. The API
// server and admission webhooks quote what they refuse, so their free text may hold the value of a variable. For an
// answer of the API server, the text says who refused, the code, and what is wrong with which fields. Other errors
// are returned unchanged.
func Printable(err error) error {
	found := answers(err)
	if len(found) == 0 {
		return err
	}
	// The longest comes first: one may be a prefix of another.
	slices.SortFunc(found, func(a, b answer) int { return cmp.Compare(len(b.Error()), len(a.Error())) })
	text := err.Error()
	for _, answer := range found {
		said, safe := answer.Error(), describe(answer.Status())
		if said == "" || !strings.Contains(err.Error(), said) { // someone has reworded it
			text = safe
			break
		}
		text = strings.ReplaceAll(text, said, safe)
	}
	return &printable{err, text}
}

type printable struct {
	error
	text string
}

func (p *printable) Error() string { return p.text }

func (p *printable) Unwrap() error { return p.error }

// answer is an error that the API server answered with.
type answer interface {
	error
	apierrors.APIStatus
}

// answers returns the answers of the API server in a tree of errors, except for those already made printable.
func answers(err error) []answer {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself
	case *printable:
		return nil
	case answer:
		return []answer{e}
	case interface{ Unwrap() error }:
		return answers(e.Unwrap())
	case interface{ Unwrap() []error }:
		var found []answer
		for _, one := range e.Unwrap() {
			found = append(found, answers(one)...)
		}
		return found
	}
	return nil
}

// mostCauses is how many fields the text of an error names.
const mostCauses = 5

// describe says in our own words what the API server answered.
func describe(s metav1.Status) string {
	var causes []string
	if s.Details != nil {
		for _, c := range s.Details.Causes {
			cause := strings.Trim(printableField(c.Field)+": "+printableKind.FindString(string(c.Type)), ": ")
			if cause != "" && !slices.Contains(causes, cause) {
				causes = append(causes, cause)
			}
		}
	}
	if len(causes) > mostCauses {
		causes = append(causes[:mostCauses], fmt.Sprintf("and %d more", len(causes)-mostCauses))
	}
	text := fmt.Sprintf("%s (%d %s)", cmp.Or(structural(s.Message), "the API server answers"), s.Code,
		http.StatusText(int(s.Code)))
	if len(causes) == 0 {
		return text
	}
	return text + ": " + strings.Join(causes, ", ")
}

// structures match the API server's sentences that hold only names and numbers, up to where someone else's words may
// begin. They are at the start of a message, where a webhook cannot write.
var structures = func() []*regexp.Regexp {
	const forbidden = `^\S+(?: "[^"]*")? is forbidden: `
	var compiled []*regexp.Regexp
	for _, pattern := range []string{
		`^(admission webhook "[-a-z0-9.]+" denied the request)`,
		`^Internal error occurred: (failed calling webhook "[-a-z0-9.]+")`,
		forbidden + `(ValidatingAdmissionPolicy '[-a-z0-9.]+'(?: with binding '[-a-z0-9.]+')? denied request)`,
		forbidden + `(exceeded quota: [-a-z0-9.]+, requested: [-\w./=,]+, used: [-\w./=,]+, limited: [-\w./=,]+)$`,
		forbidden + `(User "[^"]+" cannot [a-z]+ resource "[-a-z/]+" in API group "[-a-z0-9.]*" ` +
			`(?:in the namespace "[-a-z0-9]+"|at the cluster scope))`,
	} {
		compiled = append(compiled, regexp.MustCompile(pattern))
	}
	return compiled
}()

// structural returns the part of an API server's message that matches one of structures, or "".
func structural(message string) string {
	for _, structure := range structures {
		if match := structure.FindStringSubmatch(message); match != nil {
			return match[1]
		}
	}
	return ""
}

// PrintableWarning returns the printable part of a warning from the API server, or "" if all of it may be someone
// else's words: admission webhooks and policies warn too, and may quote the object.
func PrintableWarning(text string) string {
	for _, structure := range []*regexp.Regexp{deprecation, policyWarning} {
		if match := structure.FindStringSubmatch(text); match != nil {
			return match[1]
		}
	}
	return ""
}

var (
	// deprecation is how the API server warns of a deprecated version, from
	// k8s.io/apiserver/pkg/endpoints/deprecation and from CRDs.
	deprecation = regexp.MustCompile(`^([-a-z0-9./]+ [A-Za-z]+ is deprecated(?: in v[0-9.]+\+)?` +
		`(?:, unavailable in v[0-9.]+\+)?(?:; use [-a-z0-9.]+/v[a-z0-9]+ [A-Za-z]+)?)$`)
	policyWarning = regexp.MustCompile(
		`^(Validation failed for ValidatingAdmissionPolicy '[-a-z0-9.]+' with binding '[-a-z0-9.]+'): `,
	)

	// printableKind is what the kind of a cause looks like, such as FieldValueInvalid.
	printableKind = regexp.MustCompile(`^[A-Z][A-Za-z]{2,40}$`)

	fieldPath = regexp.MustCompile(`^(?:metadata|spec|status)(?:\.[A-Za-z][A-Za-z0-9]*|\[[^\[\]]*\])*$`)
	// insideValue matches the path inside a variable's value: its keys are the user's.
	insideValue = regexp.MustCompile(`((?:variables|overrides)\[[^\[\]]*\]\.value)\b.*`)
	fieldKey    = regexp.MustCompile(`(\w*)\[([^\[\]]*)\]`)
	fieldIndex  = regexp.MustCompile(`^\d{1,4}$`)
)

// printableField returns the path of a field without the keys in it, which are data, except for indexes and the names
// of variables. It returns "" if path is not the path of a field.
func printableField(path string) string {
	path = insideValue.ReplaceAllString(path, "$1")
	if !fieldPath.MatchString(path) {
		return ""
	}
	return fieldKey.ReplaceAllStringFunc(path, func(key string) string {
		parts := fieldKey.FindStringSubmatch(key)
		if fieldIndex.MatchString(parts[2]) || parts[1] == "variables" || parts[1] == "overrides" {
			return key
		}
		return parts[1] + "[*]"
	})
}
