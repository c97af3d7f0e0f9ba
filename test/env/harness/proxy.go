package harness

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// Proxy stands between an operator and the API server. It passes bytes on until it is told to freeze.
type Proxy struct {
	// Kubeconfig leads through the proxy.
	Kubeconfig string

	target   string
	listener net.Listener
	open     sync.WaitGroup

	mu sync.Mutex
	// thaw is closed to release frozen connections, as Close does.
	thaw   chan struct{}
	frozen *freeze
	conns  map[net.Conn]struct{}
}

// freeze is shared by all connections opened before the next Freeze.
type freeze struct {
	once sync.Once
	on   chan struct{}
}

// NewProxy returns a proxy to the API server for the identity of an operator. Close it.
func NewProxy(ctx context.Context, p *plane.Plane, user string) (*Proxy, error) {
	path, config, listener, err := between(ctx, p, user)
	if err != nil {
		return nil, err
	}
	proxy := &Proxy{
		Kubeconfig: filepath.Join(filepath.Dir(path), user+"-by-proxy"),
		listener:   listener,
		thaw:       make(chan struct{}),
		frozen:     &freeze{on: make(chan struct{})},
		conns:      map[net.Conn]struct{}{},
	}
	for _, cluster := range config.Clusters {
		server, err := url.Parse(cluster.Server)
		if err != nil {
			return nil, fmt.Errorf("read the kubeconfig for the proxy: %w", err)
		}
		proxy.target = server.Host
		cluster.Server = "https://" + listener.Addr().String()
	}
	if err := clientcmd.WriteToFile(*config, proxy.Kubeconfig); err != nil {
		return nil, fmt.Errorf("write the kubeconfig of the proxy: %w", err)
	}
	go proxy.accept()
	return proxy, nil
}

// between returns what a proxy for an operator's identity starts with: the path and content of its kubeconfig, and
// the proxy's listener.
func between(ctx context.Context, p *plane.Plane, user string) (string, *clientcmdapi.Config, net.Listener, error) {
	path, err := kubeconfig(ctx, p, user)
	if err != nil {
		return "", nil, nil, err
	}
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		return "", nil, nil, fmt.Errorf("read the kubeconfig for the proxy: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, nil, fmt.Errorf("listen for the proxy: %w", err)
	}
	return path, config, listener, nil
}

// Freeze lets nothing more through on the open connections, without closing them: both ends see silence. Later
// connections are passed on. It returns how many connections it froze.
func (p *Proxy) Freeze() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	frozen := p.frozen
	frozen.once.Do(func() { close(frozen.on) })
	p.frozen = &freeze{on: make(chan struct{})}
	return len(p.conns) / 2
}

// Close ends the proxy and all its connections.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.mu.Lock()
	close(p.thaw)
	for conn := range p.conns {
		_ = conn.Close()
	}
	p.mu.Unlock()
	p.open.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		frozen := p.frozen
		p.conns[client], p.conns[server] = struct{}{}, struct{}{}
		p.open.Add(2)
		p.mu.Unlock()
		go p.pass(client, server, frozen)
		go p.pass(server, client, frozen)
	}
}

// pass copies one direction. Once frozen it neither reads nor closes.
func (p *Proxy) pass(from, to net.Conn, frozen *freeze) {
	defer p.open.Done()
	_, _ = io.Copy(to, &freezing{from: from, proxy: p, freeze: frozen}) // whatever ends it, both ends are closed
	p.mu.Lock()
	delete(p.conns, from)
	delete(p.conns, to)
	p.mu.Unlock()
	_ = from.Close()
	_ = to.Close()
}

// freezing is a reader that returns nothing once it is frozen, not even EOF.
type freezing struct {
	from   net.Conn
	proxy  *Proxy
	freeze *freeze
}

// Read implements io.Reader.
func (f *freezing) Read(p []byte) (int, error) {
	n, err := f.from.Read(p)
	select {
	case <-f.freeze.on:
		<-f.proxy.thaw
		return 0, io.EOF
	default:
		return n, err
	}
}
