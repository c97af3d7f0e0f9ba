package answer

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
)

// kubeVIPPod is the static pod. It is a text template, not built from Go types: any changed byte, such as from a new
// library version, would replace every control plane machine that has it.
//
//go:embed kubevip.yaml.tmpl
var kubeVIPPod string

var kubeVIPTemplate = template.Must(template.New("kube-vip").Option("missingkey=error").Funcs(template.FuncMap{
	// Any JSON string is also a YAML string.
	"quote": func(value any) (string, error) {
		quoted, err := json.Marshal(fmt.Sprint(value))
		return string(quoted), err
	},
}).Parse(kubeVIPPod))

// kubeVIPManifest returns the manifest of kube-vip's static pod.
func kubeVIPManifest(s *settings, target endpoint, kubeconfig string) (string, error) {
	var manifest strings.Builder
	err := kubeVIPTemplate.Execute(&manifest, map[string]any{
		"Image":      s.kubeVIPImage,
		"Interface":  s.kubeVIPInterface,
		"Address":    target.address,
		"PrefixLen":  target.address.BitLen(),
		"Port":       target.port,
		"Kubeconfig": kubeconfig,
	})
	if err != nil {
		return "", fmt.Errorf("write the manifest of kube-vip: %w", err)
	}
	return manifest.String(), nil
}
