package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rancher/lasso/pkg/client"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/state"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// ErrOutdated says that a write was refused because the object has changed since it was read. The next decision will
// see what it is now.
var ErrOutdated = errors.New("the object has changed since the decision")

// Writer carries plans out.
type Writer struct {
	api      capi.API
	store    *state.Store
	clusters *client.Client
	claims   *client.Client
	dns      *client.Client
	now      func() time.Time
}

// NewWriter returns a writer that uses the clients of the API's kinds, and tells the store of its writes.
func NewWriter(
	api capi.API, store *state.Store, clientFor func(capi.Resource) *client.Client, now func() time.Time,
) *Writer {
	w := &Writer{api: api, store: store, clusters: clientFor(api.Clusters()), claims: clientFor(api.Claims()), now: now}
	if api.DNS != nil {
		w.dns = clientFor(*api.DNS)
	}
	return w
}

// Applied is the outcome of a plan.
type Applied struct {
	// Done are the actions that were carried out.
	Done []vip.Action

	// Status says whether the conditions were written.
	Status bool

	// Failed are the actions that could not be carried out.
	Failed []Failure
}

// Failure is a write that failed, with the actions that it would have carried out; Err names the last of them.
type Failure struct {
	Actions []vip.Action
	Err     error
}

func (a *Applied) fail(err error, actions ...vip.Action) {
	a.Failed = append(a.Failed, Failure{actions, explain(actions[len(actions)-1], err)})
}

// err returns the errors of all failures.
func (a Applied) err() error {
	errs := make([]error, 0, len(a.Failed))
	for _, failure := range a.Failed {
		errs = append(errs, failure.Err)
	}
	return errors.Join(errs...)
}

// Apply carries a plan out. The error is ErrOutdated if the plan no longer fits.
//
// For a Cluster being deleted it stops at the first write that fails, because later ones rest on it. For a live one,
// a refused write stops the rest of its role, and no other role; variables, which are a pass of their own, end the
// plan; and DNS records come when all else is written, so that they stop nothing. The conditions of a plan report
// what it writes: if something failed, the next decision, which knows of it, writes them instead.
func (w *Writer) Apply(ctx context.Context, cluster *capi.Cluster, plan vip.Plan) (Applied, error) {
	lives := cluster.DeletionTimestamp == nil
	s := arrange(plan.Actions, lives)
	var applied Applied
	without := map[string]bool{}
	for _, action := range s.single {
		role := vip.RoleOf(action)
		if err := w.act(ctx, cluster, action); err != nil {
			applied.fail(err, action)
			if !lives || role == "" {
				return applied, applied.err()
			}
			without[role] = true
			continue
		}
		applied.Done = append(applied.Done, action)
	}
	results := slices.DeleteFunc(s.results, func(action vip.Action) bool { return without[vip.RoleOf(action)] })
	if len(results) > 0 {
		var final bool
		if cluster, final = w.together(ctx, cluster, results, &applied); final {
			return applied, applied.err()
		}
	}
	if plan.Status.Changed && len(applied.Failed) == 0 {
		if err := w.writeConditions(ctx, cluster, plan.Status.Conditions); err != nil {
			return applied, fmt.Errorf("write conditions: %w", outdated(err))
		}
		applied.Status = true
	}
	for _, action := range s.records {
		if err := w.act(ctx, cluster, action); err != nil {
			applied.fail(err, action)
			break
		}
		applied.Done = append(applied.Done, action)
	}
	return applied, applied.err()
}

// together writes results in one patch. If that is refused, it tries once more role by role, the control plane first:
// an annotation that is refused keeps no Cluster from its endpoint. It returns the Cluster as it is then, and whether
// the plan ends here.
func (w *Writer) together(
	ctx context.Context, cluster *capi.Cluster, results []vip.Action, applied *Applied,
) (*capi.Cluster, bool) {
	patched, err := w.writeResults(ctx, cluster, results)
	if err == nil {
		applied.Done = append(applied.Done, results...)
		_, more := results[len(results)-1].(vip.SetVariables)
		return patched, more // what follows from variables is left to the next decision
	}
	parts := byRole(results)
	if len(parts) < 2 || !capi.IsRefusal(err) {
		applied.fail(err, results...)
		return cluster, true
	}
	for _, part := range parts {
		if slices.Contains(cluster.Finalizers, names.ReleaseFinalizer) {
			part = slices.DeleteFunc(part, func(action vip.Action) bool {
				return action == vip.Action(vip.AddFinalizer{})
			})
		}
		patched, err := w.writeResults(ctx, cluster, part)
		if err != nil {
			applied.fail(err, part...)
			continue
		}
		cluster = patched
		applied.Done = append(applied.Done, part...)
	}
	return cluster, false
}

// byRole splits results by role, each part with the actions for the Cluster as a whole.
func byRole(results []vip.Action) [][]vip.Action {
	var whole []vip.Action
	roles, parts := []string{}, map[string][]vip.Action{}
	for _, action := range results {
		role := vip.RoleOf(action)
		if role == "" {
			whole = append(whole, action)
			continue
		}
		if !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
		parts[role] = append(parts[role], action)
	}
	split := make([][]vip.Action, 0, len(roles))
	for _, role := range roles {
		split = append(split, append(slices.Clone(whole), parts[role]...))
	}
	return split
}

// steps are the actions of a plan by when they are written: single ones each by itself, results in one patch, then
// the conditions, and records last.
type steps struct{ single, results, records []vip.Action }

// arrange sorts actions into steps. The records of a Cluster being deleted are removed before its addresses go back.
func arrange(actions []vip.Action, lives bool) steps {
	var s steps
	for _, action := range actions {
		step := &s.single
		switch action.(type) {
		case vip.AddFinalizer, vip.HoldControlPlane, vip.ReleaseControlPlane, vip.KeepPort, vip.SetEndpoint,
			vip.SetAnnotation, vip.RecordClaim, vip.SetVariables:
			step = &s.results
		case vip.SetRecords, vip.DeleteRecords:
			if lives {
				step = &s.records
			}
		}
		*step = append(*step, action)
	}
	return s
}

func explain(action vip.Action, err error) error {
	return fmt.Errorf("%s: %w", action, outdated(err))
}

// outdated marks an error that says that the plan no longer fits. Either way it makes the text printable.
func outdated(err error) error {
	printable := capi.Printable(err)
	if capi.IsOutdated(err) {
		return fmt.Errorf("%w: %w", ErrOutdated, printable)
	}
	return printable
}

// act carries out an action that is a write of its own.
func (w *Writer) act(ctx context.Context, cluster *capi.Cluster, action vip.Action) error {
	switch a := action.(type) {
	case vip.RemoveFinalizer:
		body, err := cluster.PatchFinalizerAway()
		if err != nil || body == nil {
			return err
		}
		_, err = w.patchCluster(ctx, cluster, types.JSONPatchType, body)
		return err
	case vip.CreateClaim:
		created := &capi.Claim{}
		claim := cluster.NewClaim(w.api, a)
		ours := metav1.CreateOptions{FieldManager: names.FieldManager}
		if err := w.claims.Create(ctx, claim.Namespace, claim, created, ours); err != nil {
			return err
		}
		w.record(created, true)
		return nil
	case vip.AdoptClaim:
		body, err := cluster.ApplyOwner(w.api, a)
		if err != nil {
			return err
		}
		return w.patchClaim(ctx, a.Claim, types.ApplyPatchType, body)
	case vip.RenewOwner:
		return w.renewOwner(ctx, cluster, a)
	case vip.ReplaceClaim:
		if err := w.confirm(ctx, cluster); err != nil {
			return err
		}
		// Only as we saw it: a claim that was bound in the meantime stays.
		return w.deleteClaim(ctx, a.Claim, metav1.Preconditions{
			UID: &a.Claim.UID, ResourceVersion: &a.Claim.ResourceVersion,
		})
	case vip.DeleteClaim:
		if err := w.confirm(ctx, cluster); err != nil {
			return err
		}
		// A live Cluster gives up a claim only as it was seen, and someone may take over a claim without an owner at
		// any time.
		if cluster.DeletionTimestamp == nil || a.Claim.Owner == nil {
			return w.deleteClaim(ctx, a.Claim, metav1.Preconditions{
				UID: &a.Claim.UID, ResourceVersion: &a.Claim.ResourceVersion,
			})
		}
		return w.deleteClaim(ctx, a.Claim, metav1.Preconditions{UID: &a.Claim.UID})
	case vip.SetRecords:
		return w.writeRecords(ctx, cluster, a)
	case vip.DeleteRecords:
		return w.deleteRecords(ctx, cluster)
	default:
		return fmt.Errorf("no way to carry out %T", action)
	}
}
