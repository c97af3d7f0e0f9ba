package plane

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"

	"k8s.io/client-go/rest"

	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/pki"
	"github.com/gorizond/capi-vip-allocator/test/env/plane/internal/proc"
)

// auditPolicy logs every request except for health checks once, when it is answered; a watch also when it begins,
// since it may never end.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  nonResourceURLs: ["/healthz*", "/livez*", "/readyz*"]
- level: Metadata
`

// Identities of the providers: service accounts, as in a deployment.
const (
	capiNamespace = "capi-system"
	ipamNamespace = "capi-ipam-in-cluster-system"
	capiAccount   = "capi-manager"
	// ipamAccount lacks the provider's prefix: with it the user name would not fit into a certificate.
	ipamAccount = "manager"
)

func (p *Plane) writeFiles() error {
	for _, dir := range []string{"etcd", "logs", "pki", "pki/webhook"} {
		// Keys and data are private; etcd insists on it.
		if err := os.MkdirAll(p.path(dir), 0o700); err != nil {
			return fmt.Errorf("create the plane's directories: %w", err)
		}
	}
	var err error
	if p.authority, err = pki.NewAuthority(); err != nil {
		return err
	}
	server, err := p.authority.Server("kubernetes", "kubernetes.default", "kubernetes.default.svc")
	if err != nil {
		return err
	}
	if err := server.Write(p.path("pki", "server.crt"), p.path("pki", "server.key")); err != nil {
		return err
	}
	if err := server.Write(p.path("pki", "webhook", "tls.crt"), p.path("pki", "webhook", "tls.key")); err != nil {
		return err
	}
	private, public, err := pki.SigningKey()
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"pki/ca.crt":        p.authority.PEM(),
		"pki/sa.key":        private,
		"pki/sa.pub":        public,
		"audit-policy.yaml": []byte(auditPolicy),
	} {
		if err := os.WriteFile(p.path(name), content, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return p.writeCredentials()
}

func (p *Plane) makeRunners() error {
	admin, err := rest.HTTPClientFor(p.admin)
	if err != nil {
		return fmt.Errorf("create a client: %w", err)
	}
	kubeconfigs := map[Component]string{}
	for name, identity := range map[Component]Identity{
		// It acts for all its controllers, each of which would otherwise need an account of its own.
		ControllerManager: {User: "system:kube-controller-manager", Groups: []string{mastersGroup}},
		CAPI:              ServiceAccountIdentity(capiNamespace, capiAccount),
		IPAM:              ServiceAccountIdentity(ipamNamespace, ipamAccount),
	} {
		if kubeconfigs[name], err = p.Kubeconfig(identity); err != nil {
			return err
		}
	}
	p.addNeighbours = func() {
		p.addProcess(CAPI, p.capiArgs(kubeconfigs[CAPI]), p.serves(p.ports.capiHealth, p.ports.capiWebhook))
		p.addProcess(IPAM, p.ipamArgs(kubeconfigs[IPAM]), p.serves(p.ports.ipamHealth, p.ports.ipamWebhook))
	}

	p.addProcess(Etcd, p.etcdArgs(), httpReady(http.DefaultClient, "http://"+address(p.ports.etcdClient)+"/health"))
	p.addProcess(APIServer, p.apiServerArgs(), httpReady(admin, p.admin.Host+"/readyz"))
	p.addProcess(ControllerManager, p.controllerManagerArgs(kubeconfigs[ControllerManager]),
		httpReady(admin, "https://"+address(p.ports.controllerManager)+"/healthz"))
	p.addNeighbours()
	p.addProviders()

	config, err := p.ConfigFor(Identity{User: "plane-fake-provider", Groups: []string{mastersGroup}})
	if err != nil {
		return err
	}
	p.fake = &fakeRunner{config: config, log: p.logf}
	p.runners[FakeProvider] = p.fake
	return nil
}

func (p *Plane) addProcess(name Component, args []string, ready func(context.Context) error) {
	grace := stopGrace
	if name == Etcd || name == APIServer {
		grace = shortGrace
	}
	p.runners[name] = &processRunner{
		name:     name,
		launcher: p.launcher,
		ready:    ready,
		grace:    grace,
		spec: proc.Spec{
			Name:    string(name),
			Path:    p.binaries.programs[name],
			Args:    append(args, p.options.Args[name]...),
			Dir:     p.dir,
			LogFile: p.path("logs", string(name)+".log"),
		},
	}
}

// httpReady checks a health endpoint.
func httpReady(client *http.Client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return Final(err)
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		_, _ = io.Copy(io.Discard, response.Body)
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, response.Status)
		}
		return nil
	}
}

// serves checks that a controller is ready and that its webhooks answer.
func (p *Plane) serves(health, webhook int) func(context.Context) error {
	return allReady(httpReady(http.DefaultClient, "http://"+address(health)+"/readyz"), p.tlsReady(webhook))
}

// tlsReady tries a handshake: the IPAM provider reports ready before its webhooks answer.
func (p *Plane) tlsReady(port int) func(context.Context) error {
	return func(ctx context.Context) error {
		dialer := tls.Dialer{Config: &tls.Config{RootCAs: p.authority.Pool(), MinVersion: tls.VersionTLS12}}
		connection, err := dialer.DialContext(ctx, "tcp", address(port))
		if err != nil {
			return err
		}
		return connection.Close()
	}
}

func allReady(checks ...func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, check := range checks {
			if err := check(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}
