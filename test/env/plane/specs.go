package plane

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/proc"
)

// ports of a plane; they stay the same for its whole life.
type ports struct {
	etcdClient, etcdPeer, apiServer, controllerManager int
	capiHealth, capiMetrics, capiWebhook               int
	ipamHealth, ipamWebhook                            int
	// providers are those of real providers.
	providers map[Component]pair
}

func reservePorts(reservation *proc.Ports, parts []part) (ports, error) {
	var p ports
	targets := []*int{
		&p.etcdClient, &p.etcdPeer, &p.apiServer, &p.controllerManager,
		&p.capiHealth, &p.capiMetrics, &p.capiWebhook, &p.ipamHealth, &p.ipamWebhook,
	}
	numbers, err := reservation.Reserve(len(targets))
	if err != nil {
		return ports{}, err
	}
	for i, number := range numbers {
		*targets[i] = number
	}
	p.providers, err = reservePairs(reservation, parts)
	return p, err
}

func address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// baseControllers returns the controllers of kube-controller-manager that every test needs.
func baseControllers() []string {
	return []string{
		"clusterrole-aggregation-controller",
		"garbage-collector-controller",
		"namespace-controller",
		"root-ca-certificate-publisher-controller",
		"serviceaccount-controller",
		"serviceaccount-token-controller",
	}
}

// concurrency keeps Cluster API from thrashing on a small machine: its defaults are for real ones.
const concurrency = "4"

// Flags of controllers that must not wait for their own client.
const (
	fastClient     = "--kube-api-qps=500"
	burstingClient = "--kube-api-burst=1000"
)

func (p *Plane) etcdArgs() []string {
	client, peer := "http://"+address(p.ports.etcdClient), "http://"+address(p.ports.etcdPeer)
	return []string{
		"--name=plane",
		"--data-dir=" + p.DataDir(),
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=plane=" + peer,
		"--log-level=warn",
		"--quota-backend-bytes=" + strconv.Itoa(4<<30),
		"--unsafe-no-fsync=" + strconv.FormatBool(!p.options.Fsync),
	}
}

func (p *Plane) apiServerArgs() []string {
	args := []string{
		"--etcd-servers=http://" + address(p.ports.etcdClient),
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(p.ports.apiServer),
		"--tls-cert-file=" + p.path("pki", "server.crt"),
		"--tls-private-key-file=" + p.path("pki", "server.key"),
		"--client-ca-file=" + p.path("pki", "ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + p.path("pki", "sa.pub"),
		"--service-account-signing-key-file=" + p.path("pki", "sa.key"),
		"--service-cluster-ip-range=10.96.0.0/16",
		"--authorization-mode=RBAC",
		// A loopback address is no valid endpoint of the kubernetes Service.
		"--endpoint-reconciler-type=none",
		// A storm in a test is intended; fairness would only add delays.
		"--enable-priority-and-fairness=false",
		"--max-requests-inflight=4000",
		"--max-mutating-requests-inflight=4000",
		"--profiling=false",
		"--v=1",
	}
	if p.options.NoAudit {
		return args
	}
	return append(args,
		"--audit-policy-file="+p.path("audit-policy.yaml"),
		"--audit-log-path="+p.auditLog(),
		"--audit-log-format=json",
		// Blocking: an answer is not finished before its entry is written.
		"--audit-log-mode=blocking",
		// The reader follows one file, so the log must not rotate.
		"--audit-log-maxsize=1000000",
	)
}

func (p *Plane) controllerManagerArgs(kubeconfig string) []string {
	controllers := append(baseControllers(), p.options.Controllers...)
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(p.ports.controllerManager),
		"--tls-cert-file=" + p.path("pki", "server.crt"),
		"--tls-private-key-file=" + p.path("pki", "server.key"),
		"--root-ca-file=" + p.path("pki", "ca.crt"),
		"--service-account-private-key-file=" + p.path("pki", "sa.key"),
		"--controllers=" + strings.Join(controllers, ","),
		// Each controller is its own user, as in kubeadm, RKE2 and k3s.
		"--use-service-account-credentials=true",
		"--leader-elect=false",
		fastClient, burstingClient,
		"--concurrent-gc-syncs=8",
		"--profiling=false",
		"--v=1",
	}
}

func (p *Plane) capiArgs(kubeconfig string) []string {
	args := []string{
		"--kubeconfig=" + kubeconfig,
		"--health-addr=" + address(p.ports.capiHealth),
		"--diagnostics-address=" + address(p.ports.capiMetrics),
		"--insecure-diagnostics=true",
		"--webhook-port=" + strconv.Itoa(p.ports.capiWebhook),
		"--webhook-cert-dir=" + p.path("pki", "webhook"),
		"--feature-gates=" + featureGates(p.options.FeatureGates),
		fastClient, burstingClient,
		"--leader-elect=false",
		"--v=1",
	}
	for _, kind := range []string{
		"cluster", "clustertopology", "clusterclass", "clustercache", "machine", "machineset",
		"machinedeployment", "machinepool", "machinehealthcheck", "clusterresourceset", "extensionconfig",
	} {
		args = append(args, "--"+kind+"-concurrency="+concurrency)
	}
	return args
}

func (p *Plane) ipamArgs(kubeconfig string) []string {
	metrics := "--diagnostics-address=0"
	if p.options.Stack == StackOldest {
		metrics = "--metrics-bind-address=0"
	}
	return []string{
		"--kubeconfig=" + kubeconfig,
		metrics,
		"--health-probe-bind-address=" + address(p.ports.ipamHealth),
		"--webhook-port=" + strconv.Itoa(p.ports.ipamWebhook),
		"--webhook-cert-dir=" + p.path("pki", "webhook"),
		"--webhook-cert-name=tls.crt",
		"--webhook-key-name=tls.key",
		"--leader-elect=false",
	}
}

// featureGates is deterministic, so that a restart uses the same command line.
func featureGates(extra map[string]bool) string {
	gates := map[string]bool{"ClusterTopology": true}
	maps.Copy(gates, extra)
	var list []string
	for _, name := range slices.Sorted(maps.Keys(gates)) {
		list = append(list, fmt.Sprintf("%s=%t", name, gates[name]))
	}
	return strings.Join(list, ",")
}

// path returns a path in the plane's directory.
func (p *Plane) path(parts ...string) string {
	return filepath.Join(append([]string{p.dir}, parts...)...)
}

func (p *Plane) auditLog() string { return p.path("logs", "audit.jsonl") }
