package kubelet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// Process is a running container.
type Process struct {
	// CommandLine is what runs, exactly as the pod says.
	CommandLine string

	pod     *pod
	command *exec.Cmd
	log     *safeBuffer
	exited  chan struct{}
}

// Run runs the container of a Deployment, chrooted into its image and as its user, after the API server has admitted
// its pod to a namespace of level restricted. It needs root.
func Run(ctx context.Context, p *plane.Plane, image, namespace, deployment string) (*Process, error) {
	root, err := os.MkdirTemp("", "container-")
	if err != nil {
		return nil, fmt.Errorf("make a file system: %w", err)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		return nil, fmt.Errorf("make a file system: %w", err)
	}
	prepared, err := prepare(ctx, p, image, namespace, deployment, root)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(root))
	}
	o := &Process{CommandLine: prepared.CommandLine(), pod: prepared, log: &safeBuffer{}, exited: make(chan struct{})}
	if err := mountProc(root); err != nil {
		return nil, errors.Join(err, os.RemoveAll(root))
	}
	command := prepared.container.Command
	user, group := *prepared.spec.SecurityContext.RunAsUser, *prepared.spec.SecurityContext.RunAsGroup
	o.command = &exec.Cmd{
		Path: command[0], Args: append(append([]string{}, command...), prepared.container.Args...),
		Env: prepared.env, Dir: "/",
		Stdout: o.log, Stderr: o.log,
		SysProcAttr: &syscall.SysProcAttr{
			Chroot: root, Credential: &syscall.Credential{Uid: uint32(user), Gid: uint32(group), NoSetGroups: false},
		},
	}
	if err := o.command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", o.CommandLine, err), remove(root))
	}
	go func() {
		_ = o.command.Wait() // its state says how it ended
		close(o.exited)
	}()
	return o, nil
}

// WaitReady runs the readiness probe until it succeeds and the operator serves.
func (o *Process) WaitReady(ctx context.Context) error {
	return o.WaitFor(ctx, "caches are filled, serving Clusters")
}

// WaitFor runs the readiness probe until it succeeds and the log has the text.
func (o *Process) WaitFor(ctx context.Context, text string) error {
	return plane.Eventually(ctx, func(ctx context.Context) error {
		select {
		case <-o.exited:
			return plane.Final(
				fmt.Errorf("%s ended with code %d:\n%s", o.CommandLine, o.command.ProcessState.ExitCode(), o.log),
			)
		default:
		}
		if !strings.Contains(o.log.String(), text) {
			return fmt.Errorf("%s does not serve yet:\n%s", o.CommandLine, o.log)
		}
		return o.probe(ctx)
	})
}

// probe runs the readiness probe as the kubelet does.
func (o *Process) probe(ctx context.Context) error {
	get := o.pod.container.ReadinessProbe.HTTPGet
	port := get.Port.IntValue()
	for _, named := range o.pod.container.Ports {
		if named.Name == get.Port.StrVal {
			port = int(named.ContainerPort)
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet,
		fmt.Sprintf("http://127.0.0.1:%d%s", port, get.Path), http.NoBody)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the readiness probe is answered with %s", response.Status)
	}
	return nil
}

// Log returns what the process has printed.
func (o *Process) Log() string { return o.log.String() }

// Stop stops the process as the kubelet does: SIGTERM, and SIGKILL when the grace period is over. It returns the exit
// code and how long that took.
func (o *Process) Stop() (int, time.Duration, error) {
	begin := time.Now()
	if err := o.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, 0, fmt.Errorf("end the container: %w", err)
	}
	grace := time.NewTimer(time.Duration(*o.pod.spec.TerminationGracePeriodSeconds) * time.Second)
	defer grace.Stop()
	select {
	case <-o.exited:
	case <-grace.C:
		_ = o.command.Process.Kill() // fails only if it has ended by itself
		<-o.exited
	}
	return o.command.ProcessState.ExitCode(), time.Since(begin), remove(o.pod.root)
}

// mountProc gives a container its /proc, where programs read their own figures.
func mountProc(root string) error {
	dir := filepath.Join(root, "proc")
	if err := os.Mkdir(dir, 0o555); err != nil {
		return fmt.Errorf("make /proc: %w", err)
	}
	const harmless = syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC | syscall.MS_RDONLY
	if err := syscall.Mount("proc", dir, "proc", harmless, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return nil
}

// remove removes the file system of a container once nothing is mounted in it any more. Calling it again is fine.
func remove(root string) error {
	err := syscall.Unmount(filepath.Join(root, "proc"), syscall.MNT_DETACH)
	if err != nil && !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("unmount /proc: %w", err)
	}
	return os.RemoveAll(root)
}

// safeBuffer is written by the process and read by the test.
type safeBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

// Write implements io.Writer.
func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

// String returns all that was written.
func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
