package probe

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tests below run in their own network namespaces: the test program starts itself again, once as the prober and
// once as a machine at the other end of a wire.
const (
	partOf  = "PROBE_TEST_PART"
	prober  = "prober"
	machine = "machine"
)

func TestMain(m *testing.M) {
	if os.Getenv(partOf) == machine {
		if err := beMachine(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// inNamespace returns a command that runs the test program in a new network namespace.
func inNamespace(part string, flags uintptr, args ...string) *exec.Cmd {
	command := exec.Command(os.Args[0], args...)
	command.Env = append(os.Environ(), partOf+"="+part)
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | flags}
	if flags&syscall.CLONE_NEWUSER != 0 {
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return command
}

func TestTryInNamespaces(t *testing.T) {
	if os.Getenv(partOf) == prober {
		tryOnWire(t)
		return
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("the program ip, which lays wires between network namespaces, is not there")
	}
	var user uintptr
	if os.Getuid() != 0 {
		user = syscall.CLONE_NEWUSER
	}
	if output, err := inNamespace(prober, user, "-test.run=^$").CombinedOutput(); err != nil {
		t.Skipf("this machine does not let the test make network namespaces: %v: %s", err, output)
	}
	output, err := inNamespace(prober, user, "-test.run=^TestTryInNamespaces$", "-test.v").CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Contains(t, string(output), "--- PASS: TestTryInNamespaces/", "%s", output)
}

// wire has the ip commands that set up the prober's end: its addresses, a neighbour whose machine is gone, and routes
// to hosts that are unreachable or prohibited.
const wire = `link add here type veth peer name there
link set lo up
address add 10.99.0.1/24 dev here
address add fd99::1/64 dev here nodad
link set here up
neighbour add 10.99.0.40 lladdr 02:00:00:00:00:40 dev here
route add unreachable 10.98.0.1
route add prohibit 10.98.0.2`

// ends has the commands for the machine at the other end.
const ends = `link set lo up
address add 10.99.0.2/24 dev there
address add fd99::2/64 dev there nodad
link set there up`

func tryOnWire(t *testing.T) {
	require.NoError(t, ip(wire))
	other := inNamespace(machine, 0)
	tell, err := other.StdinPipe()
	require.NoError(t, err)
	said, err := other.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, other.Start())
	defer func() {
		_ = tell.Close() // which ends it
		_ = other.Wait()
	}()
	require.NoError(t, ip(fmt.Sprintf("link set there netns %d", other.Process.Pid)))
	_, err = tell.Write([]byte("\n"))
	require.NoError(t, err)
	line, _ := bufio.NewReader(said).ReadString('\n')
	require.Equal(t, "listening\n", line)

	for name, test := range map[string]struct {
		addr string
		port uint16
		want Result
		why  string
	}{
		"if a machine accepts, should be in use":                {"10.99.0.2", 6443, InUse, ""},
		"if a machine refuses, should be in use":                {"10.99.0.2", 22, InUse, ""},
		"if a machine accepts by IPv6, should be in use":        {"fd99::2", 6443, InUse, ""},
		"if a machine refuses by IPv6, should be in use":        {"fd99::2", 22, InUse, ""},
		"if nobody on the wire has the address, should be free": {"10.99.0.3", 6443, Free, ""},
		"if nobody has the address by IPv6, should be free":     {"fd99::3", 6443, Free, ""},
		"if what is sent goes nowhere, should be free":          {"10.99.0.40", 6443, Free, ""},
		"if a router knows of no such host, should be free":     {"10.98.0.1", 6443, Free, ""},
		"if nobody may go there, should not be known":           {"10.98.0.2", 6443, Unknown, "permission denied"},
		"if there is no way to the network, should not be known": {
			"10.97.0.1", 6443, Unknown, "network is unreachable",
		},
		"if there is no way by IPv6, should not be known": {
			"fd97::1", 6443, Unknown, "network is unreachable",
		},
		"if it is the prober's own address, someone has it anyway": {"10.99.0.1", 22, InUse, ""},
	} {
		t.Run(name, func(t *testing.T) {
			result, why := Try(t.Context(), timeoutFor(test.want), netip.MustParseAddr(test.addr), []uint16{test.port})
			assert.Equal(t, test.want, result)
			assert.Equal(t, test.why, why)
		})
	}
}

// beMachine waits for its end of the wire, listens on it, and returns when stdin is closed.
func beMachine() error {
	in := bufio.NewReader(os.Stdin)
	if _, err := in.ReadString('\n'); err != nil {
		return err
	}
	if err := ip(ends); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", ":6443")
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	fmt.Println("listening")
	_, _ = in.ReadString('\n') // until the pipe is closed
	return nil
}

// ip runs the program ip, once for each line.
func ip(lines string) error {
	for line := range strings.Lines(lines) {
		if output, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.TrimSpace(line), err, output)
		}
	}
	return nil
}
