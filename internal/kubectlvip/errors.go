package kubectlvip

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/clientcmd"
)

// The exit codes.
const (
	// ExitFine says that all is well.
	ExitFine = 0
	// ExitFound says that check found something, that plan has a Cluster that would not get its VIPs, or that retire
	// may do nothing.
	ExitFound = 1
	// ExitBadInput says that flags, arguments or a manifest make no sense, or that the Cluster does not exist.
	ExitBadInput = 2
	// ExitNoCluster says that the cluster could not be read: it is unknown or unreachable, it refused, or Cluster API
	// is not installed.
	ExitNoCluster = 3
)

// exitError is an error with an exit code.
type exitError struct {
	error
	code int
}

// Unwrap returns the error itself.
func (e *exitError) Unwrap() error { return e.error }

func badInput(err error) error  { return &exitError{err, ExitBadInput} }
func noCluster(err error) error { return &exitError{err, ExitNoCluster} }

// errFound sets the exit code to ExitFound; the findings are already printed.
var errFound = &exitError{errors.New("something was found"), ExitFound}

// exitCode prints the error on one line, and returns the exit code.
func exitCode(err error, out io.Writer) int {
	if err == nil {
		return ExitFine
	}
	code := ExitBadInput // what cobra itself rejects
	var known *exitError
	if errors.As(err, &known) {
		code = known.code
	}
	if code != ExitFound {
		_, _ = fmt.Fprintln(out, "error:", oneLine(plainly(err))) // if stderr is gone, there is nobody left to tell
	}
	return code
}

// plainly says what an error means, in words for people.
func plainly(err error) string {
	var request *url.Error
	switch {
	case clientcmd.IsEmptyConfig(err):
		return "no cluster is known: set KUBECONFIG, or use --kubeconfig"
	case apierrors.IsUnauthorized(err):
		return "the API server does not accept your credentials: log in again, or choose another --context"
	case apierrors.IsForbidden(err):
		return fmt.Sprintf("you may not read what is needed: %v", err)
	case errors.As(err, &request):
		server := request.URL
		if parsed, parseErr := url.Parse(request.URL); parseErr == nil {
			server = parsed.Scheme + "://" + parsed.Host
		}
		if server == "http://localhost:8080" { // where client-go turns to when nothing is configured
			return "no cluster is known: set KUBECONFIG, or use --kubeconfig"
		}
		return fmt.Sprintf("the API server %s cannot be reached: %v", server, request.Err)
	}
	return err.Error()
}

// oneLine puts a text on one line.
func oneLine(text string) string {
	return strings.Join(strings.Fields(text), " ")
}

func missingError(missing []string) error {
	return fmt.Errorf("not served by this cluster: %s; install Cluster API and its in-cluster IPAM provider, "+
		"or choose another --context", strings.Join(missing, ", "))
}
