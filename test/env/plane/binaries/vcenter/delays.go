package main

import (
	"flag"
	"time"

	"github.com/vmware/govmomi/simulator"
)

// The tasks that make a machine, by the names that the simulator gives them. Ours is not named like the simulator's
// own, which it waits for: one delay is enough.
const (
	cloneTask   = "cloneVMTask"
	cloneInfo   = "CloneVM_Task"
	powerOnInfo = "PowerOn"
)

// jitter is how far single delays are from what was asked for: the standard deviation as a part of it.
const jitter = 0.5

// delays make the vCenter slow.
type delays struct{ call, machine time.Duration }

func addDelays(flags *flag.FlagSet) *delays {
	d := &delays{}
	flags.DurationVar(&d.call, "call-delay", 0, "how long a call takes, more or less")
	flags.DurationVar(&d.machine, "machine-delay", 0,
		"how long it takes to clone a machine, and to power it on, more or less")
	return d
}

// set has a model, and all tasks of this process, wait.
func (d *delays) set(model *simulator.Model) {
	model.DelayConfig = simulator.DelayConfig{Delay: int(d.call.Milliseconds()), DelayJitter: jitter}
	if d.machine == 0 {
		return
	}
	each := int(d.machine.Milliseconds())
	simulator.TaskDelay = simulator.DelayConfig{
		// A task that waits must not hold the lock of the object: the template would make one clone after the other.
		MethodDelay: map[string]int{cloneInfo: each, powerOnInfo: each, "LockHandoff": 0},
		DelayJitter: jitter,
	}
}
