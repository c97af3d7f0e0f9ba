package harness

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process has used.
type Usage struct {
	// RSS is the memory it has now, PeakRSS the most it ever had, in bytes.
	RSS, PeakRSS int64
	// CPU is the CPU time it has used.
	CPU time.Duration
}

// clockTick is the unit of times in /proc on Linux, whatever the kernel's own.
const clockTick = 10 * time.Millisecond

// Usage reads what the operator has used so far. It works on Linux, while the process lives.
func (o *Operator) Usage() (Usage, error) { return ReadUsage(o.PID()) }

// ReadUsage reads what a process has used so far.
func ReadUsage(pid int) (Usage, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Usage{}, fmt.Errorf("read the memory of a process: %w", err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, fmt.Errorf("read the CPU time of a process: %w", err)
	}
	usage := Usage{RSS: kibibytes(string(status), "VmRSS:"), PeakRSS: kibibytes(string(status), "VmHWM:")}
	// The name of the program is in parentheses and may hold anything; user and system time are the 12th and 13th after
	// it.
	const user, system = 11, 12
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndex(text, ")")+1:])
	if len(fields) <= system {
		return Usage{}, fmt.Errorf("/proc/%d/stat is not as expected: %q", pid, text)
	}
	for _, field := range []string{fields[user], fields[system]} {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return Usage{}, fmt.Errorf("read the CPU time of a process: %w", err)
		}
		usage.CPU += time.Duration(ticks) * clockTick
	}
	return usage, nil
}

func kibibytes(status, key string) int64 {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			value, _ := strconv.ParseInt(number, 10, 64)
			return value << 10
		}
	}
	return 0
}
