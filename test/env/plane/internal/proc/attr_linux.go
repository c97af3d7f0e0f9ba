package proc

import "syscall"

// attributes puts the child into its own process group, so that a Ctrl-C at the terminal reaches only the plane, and
// has the kernel kill it when the plane dies without a chance to clean up.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
