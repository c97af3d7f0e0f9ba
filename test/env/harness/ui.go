package harness

import (
	"io"
	"net/url"
)

// StartUI runs kubectl vip ui for the user of a kubeconfig. It returns the address that the command prints, and a
// function that ends it as Ctrl-C does and returns its exit code. Its stderr goes to log.
func StartUI(kubeconfig string, log io.Writer) (address *url.URL, stop func() int, err error) {
	return printed([]string{"ui", "--no-browser", "--kubeconfig=" + kubeconfig}, log)
}
