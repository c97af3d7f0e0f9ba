package main

import (
	"context"
	"fmt"
	"regexp"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"sigs.k8s.io/yaml"
)

// chart packs the chart with this release's versions. Helm's own packer would record the time of packing.
func (r *release) chart(context.Context) error {
	loaded, err := r.loadChart()
	if err != nil {
		return err
	}
	var entries []entry
	for _, file := range loaded.Raw {
		content := file.Data
		if file.Name == "Chart.yaml" {
			if content, err = r.chartFile(content); err != nil {
				return err
			}
		}
		entries = append(entries, entry{name: project + "/" + file.Name, content: content})
	}
	packed, err := tarballOf(entries, r.date)
	if err != nil {
		return err
	}
	if packed, err = gzipped(packed); err != nil {
		return err
	}
	file := project + "-" + r.chartVersion() + ".tgz"
	if err := r.write(file, packed); err != nil {
		return err
	}
	again, err := loader.LoadFile(r.path(file))
	if err != nil {
		return fmt.Errorf("load the packed chart: %w", err)
	}
	if again.Metadata.Version != r.chartVersion() || again.Metadata.AppVersion != r.version {
		return fmt.Errorf("the packed chart says version %s of %s", again.Metadata.Version, again.Metadata.AppVersion)
	}
	return again.Validate()
}

// chartFile sets the versions in Chart.yaml and leaves the rest as it is.
func (r *release) chartFile(content []byte) ([]byte, error) {
	content = regexp.MustCompile(`(?m)^version:.*$`).ReplaceAll(content, []byte("version: "+r.chartVersion()))
	content = regexp.MustCompile(`(?m)^appVersion:.*$`).ReplaceAll(content, []byte("appVersion: "+r.version))
	// The image in artifacthub.io/images.
	content = regexp.MustCompile(`(?m)^(\s+image: \S+):v\S+$`).ReplaceAll(content, []byte("${1}:"+r.version))
	if err := yaml.UnmarshalStrict(content, &map[string]any{}); err != nil {
		return nil, fmt.Errorf("read Chart.yaml: %w", err)
	}
	return content, nil
}
