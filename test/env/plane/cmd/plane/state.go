package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// state is what a running plane reports about itself, in a file in its directory.
type state struct {
	PID        int                     `json:"pid"`
	Stack      plane.Stack             `json:"stack"`
	Kubeconfig string                  `json:"kubeconfig"`
	Components []plane.ComponentStatus `json:"components"`
}

func stateFile(dir string) string { return filepath.Join(dir, "plane.json") }

// write renames the file into place: a reader sees all of the state or none.
func (s state) write(dir string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the plane's state: %w", err)
	}
	temp := stateFile(dir) + ".new"
	if err := os.WriteFile(temp, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the plane's state: %w", err)
	}
	if err := os.Rename(temp, stateFile(dir)); err != nil {
		return fmt.Errorf("write the plane's state: %w", err)
	}
	return nil
}

// readState returns nil when no plane runs in the directory.
func readState(dir string) (*state, error) {
	data, err := os.ReadFile(stateFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the plane's state: %w", err)
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%s is damaged (end the plane's processes and remove its directory): %w",
			stateFile(dir), err)
	}
	if !alive(s.PID) {
		return nil, nil
	}
	return &s, nil
}

func alive(pid int) bool {
	return pid > 0 && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
