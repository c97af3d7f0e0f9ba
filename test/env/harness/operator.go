package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// OperatorOptions say how to start an operator. The zero value is a single operator with default options.
type OperatorOptions struct {
	// Binary is the program; empty builds it.
	Binary string
	// User is the operator's service account; empty is that of the constant User.
	User string
	// Kubeconfig replaces the one that is made for User.
	Kubeconfig string
	// Args are further arguments; they come last, so they win.
	Args []string
	// Env are further environment variables, as name=value.
	Env []string
	// Log receives a copy of what the operator prints; nil for none.
	Log io.Writer
}

// waitDelay is how long the output of an ended process may take to arrive.
const waitDelay = 5 * time.Second

// Exit is how an operator ended.
type Exit struct {
	// Code is the exit code, or -1 if a signal ended the process.
	Code int
	// Took is the time from the request to stop until the process ended.
	Took time.Duration
}

// Operator is an operator that runs as a process.
type Operator struct {
	// User is its name in the audit log.
	User string

	command *exec.Cmd
	log     *logs
	exited  chan struct{}
}

// StartOperator starts an operator against a plane. Call Grant first. It does not wait until the operator is ready.
func StartOperator(ctx context.Context, p *plane.Plane, options OperatorOptions) (*Operator, error) {
	if options.User == "" {
		options.User = User
	}
	if !strings.HasPrefix(options.User, accounts) {
		options.User = accounts + options.User
	}
	if options.Binary == "" {
		binary, err := BuildOperator(ctx, false)
		if err != nil {
			return nil, err
		}
		options.Binary = binary
	}
	if options.Kubeconfig == "" {
		path, err := kubeconfig(ctx, p, options.User)
		if err != nil {
			return nil, err
		}
		options.Kubeconfig = path
	}
	args := append([]string{
		"--kubeconfig=" + options.Kubeconfig,
		"--leader-elect=false",
		"--leader-election-namespace=" + Namespace,
		"--health-addr=127.0.0.1:0",
		"--diagnostics-address=127.0.0.1:0",
		"--insecure-diagnostics=true",
	}, options.Args...)
	return start(options.User, options.Binary, args, options.Env, options.Log)
}

func start(user, binary string, args, env []string, log io.Writer) (*Operator, error) {
	o := &Operator{User: user, command: exec.Command(binary, args...), log: newLogs(log), exited: make(chan struct{})}
	o.command.Stdout, o.command.Stderr = o.log, o.log
	o.command.SysProcAttr = childAttr()
	o.command.Env = append(os.Environ(), env...)
	// Do not wait for whoever holds the output pipe open after the process has ended.
	o.command.WaitDelay = waitDelay
	started := make(chan error)
	go func() {
		// The death signal comes when the thread that started the process ends, so keep that thread.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := o.command.Start()
		started <- err
		if err == nil {
			_ = o.command.Wait() // its state says how it ended
			close(o.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the operator: %w", err)
	}
	return o, nil
}

// Run runs the operator program with exactly these arguments until it ends, and returns its exit code and everything
// it printed. It is for what the program does before it serves.
func Run(ctx context.Context, args ...string) (int, string, error) {
	binary, err := BuildOperator(ctx, false)
	if err != nil {
		return 0, "", err
	}
	command := exec.CommandContext(ctx, binary, args...)
	command.Env = []string{"HOME=" + os.TempDir()}
	output, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, string(output), fmt.Errorf("run the operator: %w", err)
	}
	return command.ProcessState.ExitCode(), string(output), nil
}

// PID is the process ID.
func (o *Operator) PID() int { return o.command.Process.Pid }

// Exited is closed when the process has ended.
func (o *Operator) Exited() <-chan struct{} { return o.exited }

// ExitCode is the exit code of a process that has ended.
func (o *Operator) ExitCode() int {
	<-o.exited
	return o.command.ProcessState.ExitCode()
}

// Stop asks the operator to end and waits until it has. When ctx ends first the process is killed.
func (o *Operator) Stop(ctx context.Context) (Exit, error) {
	return o.end(ctx, syscall.SIGTERM)
}

// Kill ends the operator with SIGKILL and waits until it is gone. Killing again is fine.
func (o *Operator) Kill() error {
	_, err := o.end(context.Background(), syscall.SIGKILL)
	return err
}

func (o *Operator) end(ctx context.Context, signal syscall.Signal) (Exit, error) {
	begin := time.Now()
	if err := o.command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return Exit{}, fmt.Errorf("signal the operator: %w", err)
	}
	select {
	case <-o.exited:
	case <-ctx.Done():
		_ = o.command.Process.Kill() // fails only if it has ended by itself
		<-o.exited
		return Exit{}, fmt.Errorf("the operator did not end: %w\n%s", ctx.Err(), o.LogTail(20))
	}
	return Exit{Code: o.command.ProcessState.ExitCode(), Took: time.Since(begin)}, nil
}

// Pause freezes the process with SIGSTOP; Resume lets it go on.
func (o *Operator) Pause() error { return o.command.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (o *Operator) Resume() error { return o.command.Process.Signal(syscall.SIGCONT) }

// WaitReady waits until the operator answers /readyz with 200. A standby is ready as well.
func (o *Operator) WaitReady(ctx context.Context) error {
	return o.eventually(ctx, func(ctx context.Context) error { return o.Ready(ctx) })
}

// WaitServing waits until the caches of the operator are filled and it is ready.
func (o *Operator) WaitServing(ctx context.Context) error {
	if err := o.WaitLog(ctx, "caches are filled, serving Clusters"); err != nil {
		return err
	}
	return o.WaitReady(ctx)
}

// WaitLog waits until the operator has logged a message.
func (o *Operator) WaitLog(ctx context.Context, message string) error {
	return o.eventually(ctx, func(context.Context) error {
		if len(o.Logged(message)) == 0 {
			return fmt.Errorf("the operator has not logged %q", message)
		}
		return nil
	})
}

// eventually waits until check succeeds. It gives up when the process has ended.
func (o *Operator) eventually(ctx context.Context, check func(context.Context) error) error {
	err := plane.Eventually(ctx, func(ctx context.Context) error {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-o.exited:
			return plane.Final(fmt.Errorf("the operator ended with code %d: %w", o.ExitCode(), err))
		default:
			return err
		}
	})
	if err != nil {
		return fmt.Errorf("%w; the operator's log ends with:\n%s", err, o.LogTail(20))
	}
	return nil
}

// Ready asks /readyz and returns nil if the answer is 200.
func (o *Operator) Ready(ctx context.Context) error { return o.probe(ctx, "/readyz") }

// Live asks /healthz and returns nil if the answer is 200.
func (o *Operator) Live(ctx context.Context) error { return o.probe(ctx, "/healthz") }

func (o *Operator) probe(ctx context.Context, path string) error {
	_, err := o.get(ctx, "health", path)
	return err
}

// get sends a request to one of the operator's servers, at the port that the operator logged.
func (o *Operator) get(ctx context.Context, server, path string) ([]byte, error) {
	address := o.Address(server)
	if address == "" {
		return nil, fmt.Errorf("the operator has not said where its %s server is", server)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask the operator: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the operator: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s is %s: %s", path, response.Status, body)
	}
	return body, err
}

// Address returns where one of the operator's servers listens, or "" if the operator has not logged it yet.
func (o *Operator) Address(server string) string {
	for _, line := range o.Logged("serving") {
		if line.Fields["server"] == server {
			address, _ := line.Fields["address"].(string)
			return address
		}
	}
	return ""
}
