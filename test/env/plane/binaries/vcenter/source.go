package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// source is the template, with a clone that leaves nothing out that was asked for.
type source struct {
	*simulator.VirtualMachine
	machines *machines
}

// CloneVMTask overrides that of the simulator.
func (s *source) CloneVMTask(ctx *simulator.Context, req *types.CloneVM_Task) soap.HasFault {
	task := simulator.CreateTask(s, cloneTask, func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		inner, ok := s.VirtualMachine.CloneVMTask(ctx, req).(*methods.CloneVM_TaskBody)
		if !ok || inner.Res == nil {
			return nil, &types.SystemError{}
		}
		result, fault := wait(ctx, inner.Res.Returnval)
		if fault != nil {
			return nil, fault
		}
		reference, ok := result.(types.ManagedObjectReference)
		if !ok {
			return nil, &types.SystemError{}
		}
		if fault := s.complete(ctx, reference, req); fault != nil {
			return nil, fault
		}
		return reference, nil
	})
	return &methods.CloneVM_TaskBody{Res: &types.CloneVM_TaskResponse{Returnval: task.Run(ctx)}}
}

// complete writes the guest information of the request to the clone, and gives each of its network cards an address,
// which it shows when it is powered on.
func (s *source) complete(
	ctx *simulator.Context, reference types.ManagedObjectReference, req *types.CloneVM_Task,
) types.BaseMethodFault {
	clone, ok := ctx.Map.Get(reference).(*simulator.VirtualMachine)
	if !ok {
		return &types.ManagedObjectNotFound{Obj: reference}
	}
	number := s.machines.add(reference, req.Name)
	if req.Spec.Config != nil && len(req.Spec.Config.ExtraConfig) > 0 {
		body, ok := clone.ReconfigVMTask(ctx, &types.ReconfigVM_Task{
			This: reference, Spec: types.VirtualMachineConfigSpec{ExtraConfig: req.Spec.Config.ExtraConfig},
		}).(*methods.ReconfigVM_TaskBody)
		if !ok || body.Res == nil {
			return &types.SystemError{}
		}
		if _, fault := wait(ctx, body.Res.Returnval); fault != nil {
			return fault
		}
	}
	var spec types.CustomizationSpec
	for card := range clone.Guest.Net {
		spec.NicSettingMap = append(spec.NicSettingMap, types.CustomizationAdapterMapping{
			Adapter: types.CustomizationIPSettings{
				Ip: &types.CustomizationFixedIp{IpAddress: nodeAddress(number, card)},
			},
		})
	}
	body, ok := clone.CustomizeVMTask(ctx,
		&types.CustomizeVM_Task{This: reference, Spec: spec}).(*methods.CustomizeVM_TaskBody)
	if !ok || body.Res == nil {
		return &types.SystemError{}
	}
	_, fault := wait(ctx, body.Res.Returnval)
	return fault
}

// nodeAddress is an address of a network of its own for each card, in 198.18.0.0/15, which is for tests.
func nodeAddress(machine, card int) string {
	return fmt.Sprintf("198.%d.%d.%d", 18+card%2, machine/250%256, machine%250+1)
}

func wait(ctx *simulator.Context, reference types.ManagedObjectReference) (types.AnyType, types.BaseMethodFault) {
	task, ok := ctx.Map.Get(reference).(*simulator.Task)
	if !ok {
		return nil, &types.ManagedObjectNotFound{Obj: reference}
	}
	task.Wait()
	if task.Info.Error != nil {
		return nil, task.Info.Error.Fault
	}
	return task.Info.Result, nil
}
