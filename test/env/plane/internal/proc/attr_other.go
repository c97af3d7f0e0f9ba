//go:build unix && !linux

package proc

import "syscall"

// attributes puts the child into its own process group. Only Linux can also tie it to the life of its parent:
// elsewhere a killed plane leaves its processes behind.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
