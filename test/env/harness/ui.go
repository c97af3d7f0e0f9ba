package harness

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip"
)

// StartUI runs kubectl vip ui for the user of a kubeconfig. It returns the address that it prints, and what ends it as
// Ctrl-C does and returns its exit code. What it says on stderr goes to log.
func StartUI(kubeconfig string, log io.Writer) (address *url.URL, stop func() int, err error) {
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		code := kubectlvip.Run(ctx, []string{"ui", "--no-browser", "--kubeconfig=" + kubeconfig},
			genericiooptions.IOStreams{In: strings.NewReader(""), Out: writer, ErrOut: log})
		_ = writer.Close() // never fails
		ended <- code
	}()
	stop = func() int {
		cancel()
		return <-ended
	}
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err == nil {
		address, err = url.Parse(strings.TrimSpace(line))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("kubectl vip ui prints no address and ends with %d: %w", stop(), err)
	}
	return address, stop, nil
}
