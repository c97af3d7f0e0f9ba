package soak

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/gorizond/capi-vip-allocator/test/perf/soak/memory"
)

const (
	clusterVersion = "cluster.x-k8s.io/v1beta2"
	ipamVersion    = "ipam.cluster.x-k8s.io/v1beta2"
	poolVersion    = "ipam.cluster.x-k8s.io/v1alpha2"
)

// These resources are served.
var (
	clusters    = resource(clusterVersion, "clusters")
	classes     = resource(clusterVersion, "clusterclasses")
	claims      = resource(ipamVersion, "ipaddressclaims")
	addresses   = resource(ipamVersion, "ipaddresses")
	pools       = resource(poolVersion, "inclusterippools")
	globalPools = resource(poolVersion, "globalinclusterippools")
)

func resource(version, plural string) schema.GroupVersionResource {
	gv, _ := schema.ParseGroupVersion(version) // one of the constants above
	return gv.WithResource(plural)
}

// world is an API server in memory with its providers.
type world struct {
	*memory.Store
	kubeconfig string
	refusals   refusals
	server     *http.Server
	stop       context.CancelFunc
	working    sync.WaitGroup
	ipam       *ipam
	born       atomic.Int64
}

// newWorld starts an API server, on the loopback interface, and the providers; it writes the kubeconfig into dir.
func newWorld(ctx context.Context, dir string) (*world, error) {
	w := &world{Store: memory.NewStore(
		memory.Resource{GroupVersionResource: clusters, Kind: "Cluster", Namespaced: true},
		memory.Resource{GroupVersionResource: classes, Kind: "ClusterClass", Namespaced: true},
		memory.Resource{GroupVersionResource: claims, Kind: "IPAddressClaim", Namespaced: true},
		memory.Resource{GroupVersionResource: addresses, Kind: "IPAddress", Namespaced: true},
		memory.Resource{GroupVersionResource: pools, Kind: "InClusterIPPool", Namespaced: true},
		memory.Resource{GroupVersionResource: globalPools, Kind: "GlobalInClusterIPPool"},
	)}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if w.kubeconfig, err = writeKubeconfig(dir, listener.Addr().String()); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	if err := w.furnish(); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	ctx, w.stop = context.WithCancel(ctx)
	w.server = &http.Server{
		Handler:           &memory.Handler{Store: w.Store, Refuse: w.refusals.refuse},
		ReadHeaderTimeout: time.Minute,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	w.working.Go(func() { _ = w.server.Serve(listener) }) // it ends with close
	w.ipam = newIPAM(w.Store)
	w.working.Go(func() { w.Follow(ctx, claims, w.ipam.claim) })
	w.working.Go(func() { w.Follow(ctx, clusters, w.clusterAPI) })
	w.working.Go(func() { w.Follow(ctx, claims, w.collect) })
	return w, nil
}

func (w *world) close() error {
	w.stop()
	err := w.server.Close()
	w.working.Wait()
	return err
}

func writeKubeconfig(dir, address string) (string, error) {
	const entry = "memory"
	config := clientcmdapi.NewConfig()
	config.Clusters[entry] = &clientcmdapi.Cluster{Server: "http://" + address}
	config.AuthInfos[entry] = &clientcmdapi.AuthInfo{}
	config.Contexts[entry] = &clientcmdapi.Context{Cluster: entry, AuthInfo: entry}
	config.CurrentContext = entry
	path := filepath.Join(dir, "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return "", fmt.Errorf("write a kubeconfig: %w", err)
	}
	return path, nil
}

// tempDir creates a directory, and returns a function that removes it.
func tempDir() (string, func() error, error) {
	dir, err := os.MkdirTemp("", "soak-")
	if err != nil {
		return "", nil, fmt.Errorf("make a directory: %w", err)
	}
	return dir, func() error { return os.RemoveAll(dir) }, nil
}
