package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/test/env/harness"
	"github.com/gorizond/capi-vip-allocator/test/env/plane"
)

const (
	steps = 6
	// patience bounds every wait.
	patience = 2 * time.Minute
	// namespace and the names come from the example.
	namespace        = "demo"
	controlPlanePool = "demo-control-plane"
	ingressPool      = "demo-ingress"
	// restored loses its annotation, deleted is deleted, and provided has its own host.
	restored, deleted, provided = "berlin", "oslo", "lima"
)

// demo is the demonstration and everything it has started.
type demo struct {
	options  *options
	out      *screen
	plane    *plane.Plane
	world    *harness.World
	operator *harness.Operator
	// serving says that the operator is up. Until then, the error of WaitServing includes its log.
	serving bool
	log     io.Closer
	tracks  *tracker
}

func (d *demo) run(ctx context.Context) error {
	d.out.printf("capi-vip-allocator: virtual IPs for Clusters of Cluster API, from IPAM pools.\n")
	for i, step := range []struct {
		title string
		run   func(context.Context) error
	}{
		{"A real control plane starts, on the loopback interface only.", d.startPlane},
		{"Two pools get labels for the ClusterClass \"demo\": the whole configuration.", d.configure},
		{"Three Clusters come. None asks for a VIP; lima brings a host of its own.", d.serve},
		{"The host that lima brought stays, and no address is taken for it.", d.keepsHost},
		{"Someone removes the ingress annotation of berlin.", d.restore},
		{"oslo is deleted. Its addresses go back when Cluster API is done, not before.", d.release},
	} {
		d.out.step(i+1, step.title)
		if err := step.run(ctx); err != nil {
			return err
		}
	}
	d.out.printf("\nAll of it happened as it should.\n")
	if d.options.keep {
		return d.stay(ctx)
	}
	d.out.printf("To look around yourself, keep it up: make demo KEEP=1\n")
	return nil
}

// startPlane starts the plane. The first time it may build for minutes, and shows that.
func (d *demo) startPlane(ctx context.Context) (err error) {
	if d.plane, err = plane.Start(ctx, plane.Options{Log: d.out.progress()}); err != nil {
		return err
	}
	if err := harness.Grant(ctx, d.plane); err != nil {
		return err
	}
	if d.world, err = harness.NewWorld(ctx, d.plane); err != nil {
		return err
	}
	d.tracks, err = newTracker(d.world)
	return err
}

// configure applies pools and class, and starts the operator.
func (d *demo) configure(ctx context.Context) error {
	if err := d.apply(ctx, "pools.yaml", "clusterclass.yaml"); err != nil {
		return err
	}
	err := d.await(ctx, "the IPAM provider does not count the addresses of the pools", func() error {
		for _, pool := range []string{controlPlanePool, ingressPool} {
			if _, known := d.world.Capacity("", pool); !known {
				return fmt.Errorf("pool %s has no status", pool)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	rows := [][]string{{"POOL", "ROLE", "ADDRESSES", "FREE"}}
	for _, pool := range []string{controlPlanePool, ingressPool} {
		capacity, _ := d.world.Capacity("", pool)
		role := names.RoleControlPlane
		if pool == ingressPool {
			role = names.RoleIngress
		}
		rows = append(rows, []string{pool, role, strconv.Itoa(capacity.Total), strconv.Itoa(capacity.Free)})
	}
	d.out.table(rows)
	return d.startOperator(ctx)
}

func (d *demo) startOperator(ctx context.Context) error {
	log, err := os.Create(d.logFile())
	if err != nil {
		return fmt.Errorf("create the operator's log: %w", err)
	}
	d.log = log
	if d.operator, err = harness.StartOperator(
		ctx, d.plane, harness.OperatorOptions{Binary: d.options.binary, Log: log},
	); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := d.operator.WaitServing(ctx); err != nil {
		return fmt.Errorf("the operator does not serve: %w", err)
	}
	d.serving = true
	d.out.line("The allocator runs, as a user that may do no more than it needs.")
	return nil
}

func (d *demo) logFile() string {
	return filepath.Join(d.plane.Dir(), "logs", "capi-vip-allocator.log")
}

// apply applies files of the example.
func (d *demo) apply(ctx context.Context, files ...string) error {
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(d.options.examples, file))
		if err != nil {
			return fmt.Errorf(
				"read the example (run this from the root of the repository, or name it with --examples): %w", err,
			)
		}
		if _, err := plane.ApplyYAML(ctx, d.plane.Config(), string(content)); err != nil {
			return fmt.Errorf("apply %s: %w", file, err)
		}
	}
	return nil
}

// await waits until check passes; failure says what did not happen in time. It returns at once if the operator ends.
func (d *demo) await(ctx context.Context, failure string, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var ended error
	err := d.world.Await(ctx, func() error {
		if d.operator != nil {
			select {
			case <-d.operator.Exited():
				ended = fmt.Errorf("the operator ended with code %d", d.operator.ExitCode())
				return nil
			default:
			}
		}
		return check()
	})
	if err = errors.Join(ended, err); err != nil {
		return fmt.Errorf("%s: %w", failure, err)
	}
	return nil
}

// withLog appends the end of the operator's log to an error.
func (d *demo) withLog(err error) error {
	if !d.serving {
		return err
	}
	return fmt.Errorf("%w\nThe operator's log ends with:\n%s", err, d.operator.LogTail(20))
}

func (d *demo) close() error {
	var failures []error
	if d.operator != nil {
		failures = append(failures, d.operator.Kill())
	}
	if d.world != nil {
		d.world.Close()
	}
	if d.log != nil {
		failures = append(failures, d.log.Close())
	}
	if d.plane != nil {
		failures = append(failures, d.plane.Stop())
	}
	return errors.Join(append(failures, harness.CleanBuilds())...)
}
