package measure

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

// Costs is the CPU time of a run by process, and what the rest of the machine did meanwhile.
type Costs struct {
	CPU map[string]time.Duration
	// Wall is how long the run took, Foreign the share of the machine that others used: the noise.
	Wall    time.Duration
	Foreign float64
}

// ProcessOperator is the operator among the processes of Costs; the plane's processes have their own names.
const ProcessOperator = "operator"

// Meter measures costs from its start.
type Meter struct {
	pids        map[string]int
	before      map[string]time.Duration
	busy, total time.Duration
	begin       time.Time
}

// StartMeter starts measuring the processes of a plane, the operator unless it is nil, and this process under the
// name self.
func StartMeter(p *plane.Plane, operator *harness.Operator, self string) *Meter {
	m := &Meter{pids: map[string]int{self: os.Getpid()}, begin: time.Now()}
	for _, component := range p.Status() {
		if component.PID != 0 {
			m.pids[string(component.Name)] = component.PID
		}
	}
	if operator != nil {
		m.pids[ProcessOperator] = operator.PID()
	}
	m.before = m.cpu()
	m.busy, m.total = machineTimes()
	return m
}

// cpu reads how much each process has used so far; without /proc it returns nothing.
func (m *Meter) cpu() map[string]time.Duration {
	used := map[string]time.Duration{}
	for name, pid := range m.pids {
		if usage, err := harness.ReadUsage(pid); err == nil {
			used[name] = usage.CPU
		}
	}
	return used
}

// Read returns the costs since the Meter started.
func (m *Meter) Read() Costs {
	c := Costs{CPU: m.cpu(), Wall: time.Since(m.begin)}
	busy, total := machineTimes()
	foreign := busy - m.busy
	for name := range c.CPU {
		c.CPU[name] -= m.before[name]
		foreign -= c.CPU[name]
	}
	if total > m.total {
		c.Foreign = max(float64(foreign)/float64(total-m.total), 0)
	}
	return c
}

// machineTimes returns the time that all CPUs together were busy, and their total time; zero without /proc.
func machineTimes() (busy, total time.Duration) {
	const tick = 10 * time.Millisecond
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(data), "\n")
	for i, field := range strings.Fields(line) {
		ticks, err := strconv.ParseInt(field, 10, 64)
		// The fields after the name: user, nice, system, idle, iowait, irq, softirq, steal; guest time is part of
		// user.
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

// DescribeMachine says on which machine the figures were taken.
func DescribeMachine() string {
	machine := fmt.Sprintf("%d cores, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ := strings.Cut(string(data), " ")
		machine += ", load at the start " + load
	}
	return machine
}
