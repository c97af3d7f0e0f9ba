package main

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"strconv"

	"sigs.k8s.io/yaml"
)

//go:embed metadata.yaml
var metadataFile []byte

// versionPattern matches a semantic version with a leading v.
var versionPattern = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z][-0-9A-Za-z.]*)?$`)

// providerMetadata is clusterctl's description of a provider's releases.
type providerMetadata struct {
	ReleaseSeries []struct {
		Major    int    `json:"major"`
		Minor    int    `json:"minor"`
		Contract string `json:"contract"`
	} `json:"releaseSeries"`
}

// metadata writes metadata.yaml.
func (r *release) metadata(context.Context) error {
	content, err := r.metadataContent()
	if err != nil {
		return err
	}
	return r.write("metadata.yaml", content)
}

// metadataContent returns metadata.yaml, and an error if it lacks this release's series: without it no installer
// accepts the release.
func (r *release) metadataContent() ([]byte, error) {
	var metadata providerMetadata
	if err := yaml.UnmarshalStrict(stripTypeMeta(metadataFile), &metadata); err != nil {
		return nil, fmt.Errorf("read metadata.yaml: %w", err)
	}
	parts := versionPattern.FindStringSubmatch(r.version)
	for _, series := range metadata.ReleaseSeries {
		if parts[1] == strconv.Itoa(series.Major) && parts[2] == strconv.Itoa(series.Minor) {
			return metadataFile, nil
		}
	}
	return nil, fmt.Errorf("hack/release/metadata.yaml does not list the series %s.%s of %s: add it",
		parts[1], parts[2], r.version)
}

// stripTypeMeta removes apiVersion and kind, which only the installers read.
func stripTypeMeta(content []byte) []byte {
	return regexp.MustCompile(`(?m)^(apiVersion|kind):.*$`).ReplaceAll(content, nil)
}
