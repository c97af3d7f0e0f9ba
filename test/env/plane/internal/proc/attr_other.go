//go:build unix && !linux

package proc

import "syscall"

// attributes puts the child into a process group of its own. Only Linux can also tie it to the life of
// its parent: elsewhere a plane that is killed hard leaves its processes behind.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
