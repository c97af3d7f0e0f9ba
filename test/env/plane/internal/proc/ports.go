package proc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Ports come from below the range from which Linux takes ports for outgoing connections, so that no short-lived
// connection of this machine occupies one while a component is stopped.
const (
	firstPort = 20000
	lastPort  = 29999
)

// Ports reserves ports for the life of a plane. A reservation is a file lock, so that planes in other
// processes respect it even while nothing listens on the port.
type Ports struct {
	files []*os.File
}

// Reserve reserves count free ports on the loopback interface.
func (p *Ports) Reserve(count int) ([]int, error) {
	dir := filepath.Join(os.TempDir(), "capi-vip-allocator-ports")
	// Sticky and writable for all: the users of a machine share the range.
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("create the directory of port reservations: %w", err)
	}
	_ = os.Chmod(dir, 0o777|os.ModeSticky)

	ports := make([]int, 0, count)
	for range lastPort - firstPort {
		if len(ports) == count {
			return ports, nil
		}
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		file, err := reserve(dir, port)
		switch {
		case errors.Is(err, errTaken):
			continue
		case err != nil:
			return nil, err
		}
		p.files = append(p.files, file)
		ports = append(ports, port)
	}
	return nil, fmt.Errorf("no %d free ports between %d and %d on the loopback interface", count, firstPort, lastPort)
}

// errTaken says that another plane or program has the port.
var errTaken = errors.New("the port is taken")

func reserve(dir string, port int) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o666)
	if errors.Is(err, os.ErrPermission) {
		return nil, errTaken
	}
	if err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil || !bindable(port) {
		_ = file.Close()
		return nil, errTaken
	}
	return file, nil
}

// bindable tries all interfaces: Cluster API's webhook server cannot be restricted to one.
func bindable(port int) bool {
	listener, err := net.Listen("tcp", ":"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// Release releases all reservations.
func (p *Ports) Release() {
	for _, file := range p.files {
		_ = file.Close()
	}
	p.files = nil
}
