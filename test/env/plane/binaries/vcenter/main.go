// Command vcenter is VMware's simulator of a vCenter, with one template to clone machines from. What the simulator's
// clone leaves out and a machine lives on, it adds: the guest information, with the bootstrap data in it, and an
// address.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator" // the REST interface, which clients log in to for tags
	"github.com/vmware/govmomi/vim25/types"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "vcenter:", err)
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:0", "address of the vCenter's interfaces")
	inspect := flag.String("inspect", "127.0.0.1:0", "address of the list of machines, /machines")
	certificate := flag.String("certificate", "", "file with the certificate of the vCenter")
	key := flag.String("key", "", "file with its key")
	template := flag.String("template", "template", "name of the template")
	slow := addDelays(flag.CommandLine)
	flag.Parse()

	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	model := simulator.VPX()
	model.Host, model.Machine = 0, 1
	slow.set(model)
	if err := model.Create(); err != nil {
		return fmt.Errorf("create the inventory: %w", err)
	}
	defer model.Remove()
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	model.Service.Listen = &url.URL{Host: *listen}
	model.Service.RegisterEndpoints = true

	machines := &machines{registry: model.Map(), known: map[types.ManagedObjectReference]*machine{}}
	if err := makeTemplate(model.Service.Context, machines, *template); err != nil {
		return err
	}
	model.Map().AddHandler(machines)
	server := model.Service.NewServer()
	defer server.Close()
	return serve(*inspect, machines)
}

// makeTemplate makes a template of the only machine that the model has.
func makeTemplate(ctx *simulator.Context, machines *machines, name string) error {
	all := ctx.Map.All("VirtualMachine")
	if len(all) != 1 {
		return fmt.Errorf("the model has %d machines instead of one", len(all))
	}
	vm, ok := all[0].(*simulator.VirtualMachine)
	if !ok {
		return fmt.Errorf("the model's machine is a %T", all[0])
	}
	vm.Name, vm.Config.Name, vm.Summary.Config.Name = name, name, name
	vm.Runtime.PowerState, vm.Summary.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOff,
		types.VirtualMachinePowerStatePoweredOff
	ctx.Map.Put(&source{VirtualMachine: vm, machines: machines})
	return nil
}

// serve answers what machines there are until the process is told to end.
func serve(address string, machines *machines) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen for questions: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /machines", machines)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("answer questions: %w", err)
	}
	return nil
}
