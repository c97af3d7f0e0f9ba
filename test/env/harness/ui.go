package harness

import (
	"io"
	"net/url"
)

// StartUI runs kubectl vip ui for the user of a kubeconfig. It returns the address that it prints, and what ends it as
// Ctrl-C does and returns its exit code. What it says on stderr goes to log.
func StartUI(kubeconfig string, log io.Writer) (address *url.URL, stop func() int, err error) {
	return printed([]string{"ui", "--no-browser", "--kubeconfig=" + kubeconfig}, log)
}
