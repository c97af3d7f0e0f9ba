package kubectlvip

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/live"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/render"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/simulate"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

func (a *app) newPlan() *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "plan -f FILE",
		Short: "Show what would be allocated for a Cluster, without writing",
		Long: `Show what would be allocated for the Clusters of a manifest if they were created now: pools, claims, addresses and the writes
of the operator. Addresses are those that the in-cluster IPAM provider would give next, the lowest free ones; they are
reserved by nothing. Objects of other kinds in the file are passed over. Nothing is written.

The exit code is 1 if a Cluster would not get all its VIPs.`,
		Example: "  kubectl vip plan -f cluster.yaml\n  clusterctl generate cluster berlin | kubectl vip plan -f -",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			_, namespace, err := a.scope(false)
			if err != nil {
				return err
			}
			manifests, err := a.readManifests(file, namespace)
			if err != nil {
				return err
			}
			return a.plan(command, namespace, manifests)
		},
	}
	command.Flags().StringVarP(&file, "filename", "f", "", "File with the manifest of one or more Clusters; - reads standard input.")
	_ = command.MarkFlagFilename("filename", "yaml", "yml", "json") // the flag is there
	return command
}

func (a *app) plan(command *cobra.Command, namespace string, manifests []*capi.Cluster) error {
	world, err := a.read(command.Context(), namespace)
	if err != nil {
		return err
	}
	facts := world.Facts()
	a.note(facts.Limits)
	plans, err := plansOf(world, manifests, facts.Now)
	if err != nil {
		return err
	}
	err = a.print(map[string]any{"plans": plans}, func(out io.Writer, o *render.Options) error { return render.Plan(out, plans, o) }, facts.Now)
	if err == nil && slices.ContainsFunc(plans, func(p view.ClusterPlan) bool { return !p.Served }) {
		return errFound
	}
	return err
}

// plansOf lets the Clusters of manifests come into a world, one after the other. Its store is changed by that.
func plansOf(world *live.World, manifests []*capi.Cluster, now time.Time) ([]view.ClusterPlan, error) {
	plans := []view.ClusterPlan{}
	for _, manifest := range manifests {
		operator := world.OperatorFor(manifest)
		outcome, err := simulate.Run(world.Store, manifest, operator.Settings, now)
		if err != nil {
			return nil, err
		}
		plans = append(plans, view.PlanOf(outcome.Snapshot, outcome.Exists, outcome.Actions, operator))
	}
	return plans, nil
}

// readManifests returns the Clusters of a file, in the namespace that they name or in the given one.
func (a *app) readManifests(file, namespace string) ([]*capi.Cluster, error) {
	if file == "" {
		return nil, badInput(errors.New("which manifest? name it with -f FILE; -f - reads standard input"))
	}
	in := a.In
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, badInput(err)
		}
		defer func() { _ = opened.Close() }() // it was only read
		in = opened
	}
	clusters, err := clustersIn(in, namespace)
	if err != nil {
		return nil, badInput(fmt.Errorf("%s: %w", file, err))
	}
	return clusters, nil
}

// clustersIn returns the Clusters of a manifest, at least one, in the namespace that they name or in the given one.
func clustersIn(in io.Reader, namespace string) ([]*capi.Cluster, error) {
	clusters, err := decodeClusters(in)
	if err != nil {
		return nil, err
	}
	if len(clusters) == 0 {
		return nil, fmt.Errorf("there is no Cluster of %s in it", capi.ClusterGroup)
	}
	for _, cluster := range clusters {
		if cluster.Namespace == "" {
			cluster.Namespace = namespace
		}
	}
	return clusters, nil
}

// pageSize is how much of a manifest is looked at to find out whether it is JSON.
const pageSize = 4096

func decodeClusters(in io.Reader) ([]*capi.Cluster, error) {
	var clusters []*capi.Cluster
	documents := yamlutil.NewYAMLOrJSONDecoder(in, pageSize)
	for {
		var raw rawDocument
		if err := documents.Decode(&raw); errors.Is(err, io.EOF) {
			return clusters, nil
		} else if err != nil {
			return nil, fmt.Errorf("not YAML or JSON: %w", err)
		}
		cluster, err := decodeCluster(raw)
		if err != nil {
			return nil, err
		}
		if cluster != nil {
			clusters = append(clusters, cluster)
		}
	}
}

// rawDocument is a document as it stands, in JSON.
type rawDocument []byte

// UnmarshalJSON implements json.Unmarshaler.
func (r *rawDocument) UnmarshalJSON(text []byte) error {
	*r = bytes.Clone(text)
	return nil
}

// decodeCluster returns a Cluster of any version, or nil if the document is something else.
func decodeCluster(document []byte) (*capi.Cluster, error) {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(document, &kind); err != nil {
		return nil, fmt.Errorf("not an object of Kubernetes: %w", err)
	}
	if gvk := kind.GroupVersionKind(); gvk.Group != capi.ClusterGroup || gvk.Kind != capi.KindCluster {
		return nil, nil
	}
	var cluster capi.Cluster
	if err := yaml.Unmarshal(document, &cluster); err != nil {
		return nil, fmt.Errorf("a Cluster that cannot be understood: %w", err)
	}
	if cluster.Name == "" {
		return nil, errors.New("a Cluster has no metadata.name; give it one, as its claims are named after it")
	}
	_, err := capi.Trim(&cluster) // as what is read from a cluster
	return &cluster, err
}
