package answer

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/names"
)

// The settings of an external patch in a ClusterClass. All are optional.
const (
	// settingInfraCluster writes the VIP to spec.template.spec.controlPlaneEndpoint of the InfraCluster's template.
	settingInfraCluster = "infraCluster"
	// settingPort is the port of the endpoint. The operator's default is not used: if it changed, templates would
	// change.
	settingPort = "port"
	// settingCertSANs adds the VIP to the API server certificate's names.
	settingCertSANs = "certSANs"
	// settingKubeVIP adds kube-vip to the control plane machines.
	settingKubeVIP = "kubeVIP"
	// settingKubeVIPImage is its image. It has no default: one that changed with the operator would replace machines.
	settingKubeVIPImage = "kubeVIPImage"
	// settingKubeVIPInterface is the network interface that gets the VIP; by default kube-vip finds it itself.
	settingKubeVIPInterface = "kubeVIPInterface"
	// settingRequiredRoles are the roles that need a pool: without one, ValidateTopology refuses a Cluster.
	settingRequiredRoles = "requiredRoles"
)

// settings are the parsed settings of a request.
type settings struct {
	infraCluster     bool
	port             int32
	certSANs         bool
	kubeVIP          bool
	kubeVIPImage     string
	kubeVIPInterface string
	requiredRoles    []string
}

// defaultPort is the default of kubeadm and RKE2, and of the operator.
const defaultPort = 6443

const acceptsBool = "true or false"

var (
	// imageReference rejects what cannot be one; the registry judges the rest.
	imageReference = regexp.MustCompile(`^[a-zA-Z0-9][-a-zA-Z0-9._:/@]{0,511}$`)
	// interfaceName is what Linux accepts: at most 15 characters.
	interfaceName = regexp.MustCompile(`^[-a-zA-Z0-9._@:]{1,15}$`)

	errSettings = errors.New("bad settings of the patch in the ClusterClass")
)

// parser sets one setting; if the value is bad, it returns what it accepts.
type parser func(s *settings, value string) (accepts string, ok bool)

// parsers has a parser for each setting.
var parsers = map[string]parser{
	settingInfraCluster: boolSetting(func(s *settings) *bool { return &s.infraCluster }),
	settingCertSANs:     boolSetting(func(s *settings) *bool { return &s.certSANs }),
	settingKubeVIP:      boolSetting(func(s *settings) *bool { return &s.kubeVIP }),
	settingPort: func(s *settings, value string) (string, bool) {
		port, err := strconv.ParseUint(value, 10, 16)
		s.port = int32(port)
		return "a port from 1 to 65535", err == nil && port > 0
	},
	settingKubeVIPImage: func(s *settings, value string) (string, bool) {
		s.kubeVIPImage = value
		return "an image such as ghcr.io/kube-vip/kube-vip:v1.0.3", imageReference.MatchString(value)
	},
	settingKubeVIPInterface: func(s *settings, value string) (string, bool) {
		s.kubeVIPInterface = value
		return "the name of a network interface such as eth0, at most 15 characters", interfaceName.MatchString(value)
	},
	settingRequiredRoles: func(s *settings, value string) (string, bool) {
		s.requiredRoles = nil
		for role := range strings.SplitSeq(value, ",") {
			role = strings.TrimSpace(role)
			if names.ValidateRole(role) != nil {
				return "roles separated by commas, such as control-plane,ingress", false
			}
			s.requiredRoles = append(s.requiredRoles, role)
		}
		return "", true
	},
}

func boolSetting(target func(*settings) *bool) parser {
	return func(s *settings, value string) (string, bool) {
		on, err := strconv.ParseBool(value)
		*target(s) = on
		return acceptsBool, err == nil
	}
}

// parseSettings parses the settings of a request. Its error lists everything that is wrong.
func parseSettings(values map[string]string) (settings, error) {
	s := settings{infraCluster: true, port: defaultPort, requiredRoles: []string{names.RoleControlPlane}}
	known := slices.Sorted(maps.Keys(parsers))
	var problems []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		parse, found := parsers[key]
		if !found {
			problems = append(problems, fmt.Sprintf("%q is unknown, there are %s", key, strings.Join(known, ", ")))
			continue
		}
		if accepts, ok := parse(&s, values[key]); !ok {
			problems = append(problems, fmt.Sprintf("%s: %q is refused, accepted is %s", key, values[key], accepts))
		}
	}
	if s.kubeVIP && s.kubeVIPImage == "" {
		problems = append(problems,
			settingKubeVIP+" needs "+settingKubeVIPImage+", such as ghcr.io/kube-vip/kube-vip:v1.0.3")
	}
	if len(problems) > 0 {
		return s, fmt.Errorf("%w: %s", errSettings, strings.Join(problems, "; "))
	}
	return s, nil
}
