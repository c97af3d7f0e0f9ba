// Command kubectl-vip is a kubectl plugin that shows and explains the virtual IPs of Cluster API Clusters.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := kubectlvip.Run(ctx, os.Args[1:], genericiooptions.IOStreams{
		In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr,
	})
	stop()
	os.Exit(code)
}
