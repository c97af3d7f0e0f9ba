package kubectlvip

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/cli-runtime/pkg/resource"
	"sigs.k8s.io/yaml"

	"github.com/gorizond/capi-vip-allocator/internal/capi"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/live"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/render"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/simulate"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

func (a *app) newPlan() *cobra.Command {
	var from resource.FilenameOptions
	command := &cobra.Command{
		Use:   "plan -f FILE",
		Short: "Show what would be allocated for a Cluster, without writing",
		Long: `Show what would be allocated for the Clusters of a manifest if they were created now: pools, claims,
addresses and the writes of the operator. Addresses are those that the in-cluster IPAM provider would give next, the
lowest free ones; they are reserved by nothing. Files, directories and URLs are read as by kubectl; objects of other
kinds are passed over. Nothing is written.

The exit code is 1 if a Cluster would not get all its VIPs.`,
		Example: "  kubectl vip plan -f cluster.yaml\n  kubectl vip plan -R -f clusters/\n" +
			"  clusterctl generate cluster berlin | kubectl vip plan -f -",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			_, namespace, err := a.scope(false)
			if err != nil {
				return err
			}
			manifests, err := a.readManifests(&from, namespace)
			if err != nil {
				return err
			}
			return a.plan(command, namespace, manifests)
		},
	}
	command.Flags().StringArrayVarP(&from.Filenames, "filename", "f", nil,
		"File, directory or URL with the manifests of Clusters; - reads standard input. Can be given several times.")
	command.Flags().BoolVarP(&from.Recursive, "recursive", "R", false, "Go into the directories below those of -f.")
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
	err = a.print(map[string]any{"plans": plans}, func(out io.Writer, o *render.Options) error {
		return render.Plan(out, plans, o)
	}, facts.Now)
	if err == nil && slices.ContainsFunc(plans, func(p view.ClusterPlan) bool { return !p.Served }) {
		return errFound
	}
	return err
}

// plansOf simulates the Clusters of manifests in a world, one after the other. It changes the store of that world.
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

// readManifests returns the Clusters of files, directories and URLs, read as kubectl reads them, in the namespace
// that they name or in the given one.
func (a *app) readManifests(from *resource.FilenameOptions, namespace string) ([]*capi.Cluster, error) {
	if len(from.Filenames) == 0 {
		return nil, badInput(errors.New("which manifest? name it with -f FILE; -f - reads standard input"))
	}
	builder := resource.NewBuilder(a.cluster).Unstructured().Local().Flatten()
	files := resource.FilenameOptions{Recursive: from.Recursive}
	for _, name := range from.Filenames {
		if name == "-" {
			builder.Stream(a.In, "standard input")
		} else {
			files.Filenames = append(files.Filenames, name)
		}
	}
	var clusters []*capi.Cluster
	err := builder.FilenameParam(false, &files).Do().Visit(func(info *resource.Info, err error) error {
		if err != nil {
			return err
		}
		document, err := json.Marshal(info.Object)
		if err != nil {
			return fmt.Errorf("%s: %w", info.Source, err)
		}
		cluster, err := decodeCluster(document)
		if err != nil {
			return fmt.Errorf("%s: %w", info.Source, err)
		}
		if cluster != nil {
			clusters = append(clusters, cluster)
		}
		return nil
	})
	if err == nil {
		clusters, err = placed(clusters, namespace)
	}
	if err != nil {
		return nil, badInput(fmt.Errorf("%s: %w", strings.Join(from.Filenames, ", "), err))
	}
	return clusters, nil
}

// clustersIn returns the Clusters of a manifest, at least one, in the namespace that they name or in the given one.
func clustersIn(in io.Reader, namespace string) ([]*capi.Cluster, error) {
	clusters, err := decodeClusters(in)
	if err != nil {
		return nil, err
	}
	return placed(clusters, namespace)
}

// placed puts Clusters that name no namespace into the given one. It fails if there are no Clusters.
func placed(clusters []*capi.Cluster, namespace string) ([]*capi.Cluster, error) {
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

// pageSize is how many bytes of a manifest are examined to find out whether it is JSON.
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

// rawDocument is an unparsed document, in JSON.
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
	_, err := capi.Trim(&cluster) // as for objects read from a cluster
	return &cluster, err
}
