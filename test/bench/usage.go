package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/harness"
)

// costs is the CPU time that a run took, by process, and what the rest of the machine did meanwhile.
type costs struct {
	cpu map[string]time.Duration
	// wall is how long the run took, foreign the share of the machine that others used: the noise.
	wall    time.Duration
	foreign float64
}

// The processes beside the plane's own.
const (
	processOperator = "operator"
	processBench    = "bench and fake provider"
)

// meter measures costs from its start.
type meter struct {
	pids        map[string]int
	before      map[string]time.Duration
	busy, total time.Duration
	begin       time.Time
}

func (b *bench) startMeter(operator *harness.Operator) *meter {
	m := &meter{pids: map[string]int{processBench: os.Getpid()}, begin: time.Now()}
	for _, component := range b.plane.Status() {
		if component.PID != 0 {
			m.pids[string(component.Name)] = component.PID
		}
	}
	if operator != nil {
		m.pids[processOperator] = operator.PID()
	}
	m.before = m.cpu()
	m.busy, m.total = machineTimes()
	return m
}

// cpu reads what each process has used so far; where there is no /proc, nothing is known.
func (m *meter) cpu() map[string]time.Duration {
	used := map[string]time.Duration{}
	for name, pid := range m.pids {
		if usage, err := harness.ReadUsage(pid); err == nil {
			used[name] = usage.CPU
		}
	}
	return used
}

func (m *meter) read() costs {
	c := costs{cpu: m.cpu(), wall: time.Since(m.begin)}
	busy, total := machineTimes()
	foreign := busy - m.busy
	for name := range c.cpu {
		c.cpu[name] -= m.before[name]
		foreign -= c.cpu[name]
	}
	if total > m.total {
		c.foreign = max(float64(foreign)/float64(total-m.total), 0)
	}
	return c
}

// machineTimes returns the time that all CPUs together were busy, and all time there was; zero where there is no /proc.
func machineTimes() (busy, total time.Duration) {
	const tick = 10 * time.Millisecond
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(data), "\n")
	for i, field := range strings.Fields(line) {
		ticks, err := strconv.ParseInt(field, 10, 64)
		// The fields after the name: user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user.
		if err != nil || i > 8 {
			continue
		}
		total += time.Duration(ticks) * tick
		if i != 4 && i != 5 {
			busy += time.Duration(ticks) * tick
		}
	}
	return busy, total
}

// describeMachine says on what the figures were taken.
func describeMachine() string {
	machine := fmt.Sprintf("%d cores, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ := strings.Cut(string(data), " ")
		machine += ", load at the start " + load
	}
	return machine
}
