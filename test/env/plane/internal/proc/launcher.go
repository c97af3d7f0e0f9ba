// Package proc runs the programs of the plane as child processes that never outlive their parent.
package proc

import (
	"errors"
	"os/exec"
	"runtime"
	"sync"
)

// Launcher starts processes from one operating system thread. The kernel ties a parent-death signal to the thread
// that forked, not to the process: it would kill a child started from a short-lived thread of the Go runtime as soon
// as that thread ends.
type Launcher struct {
	requests chan request
	once     sync.Once
	quit     chan struct{}
}

type request struct {
	cmd   *exec.Cmd
	reply chan error
}

// NewLauncher returns a launcher; Close frees its thread.
func NewLauncher() *Launcher {
	l := &Launcher{requests: make(chan request), quit: make(chan struct{})}
	go l.run()
	return l
}

func (l *Launcher) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case <-l.quit:
			return
		case r := <-l.requests:
			r.reply <- r.cmd.Start()
		}
	}
}

func (l *Launcher) start(cmd *exec.Cmd) error {
	r := request{cmd: cmd, reply: make(chan error, 1)}
	select {
	case l.requests <- r:
		return <-r.reply
	case <-l.quit:
		return errors.New("the launcher is closed")
	}
}

// Close frees the launcher's thread. Stop the processes first.
func (l *Launcher) Close() {
	l.once.Do(func() { close(l.quit) })
}
