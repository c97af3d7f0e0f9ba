package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The types of the manifests' artifact, for registries and their tools. The Cluster API operator reads only titles.
const (
	manifestsType = "application/vnd.gorizond.capi-vip-allocator.manifests.v1+json"
	fileType      = "application/yaml"
	titleKey      = "org.opencontainers.image.title"
)

// pushManifests pushes the manifests to the registry as an artifact for a provider's fetchConfig.oci, next to the
// image and under the same version. It writes the digest to manifests.digest for whoever signs it.
func (r *release) pushManifests(ctx context.Context) error {
	content, err := r.components()
	if err != nil {
		return err
	}
	metadata, err := r.metadataContent()
	if err != nil {
		return err
	}
	// These names work for providers of every type, including Turtles' CAPIProvider, which has its own type.
	artifact, err := r.artifact(map[string][]byte{"components.yaml": content, "metadata.yaml": metadata})
	if err != nil {
		return err
	}
	reference, err := r.reference(manifestsSuffix)
	if err != nil {
		return err
	}
	if err := remote.Write(reference, artifact, credentials(), remote.WithContext(ctx)); err != nil {
		return refused(reference, err)
	}
	return r.pushed(reference, artifact, "manifests.digest")
}

// artifact packs each file as a layer with the file's name as its title.
func (r *release) artifact(files map[string][]byte) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), manifestsType)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		var err error
		image, err = mutate.Append(image, mutate.Addendum{
			Layer: static.NewLayer(files[file], fileType), Annotations: map[string]string{titleKey: file},
		})
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", file, err)
		}
	}
	annotated, ok := mutate.Annotations(image, r.annotations()).(v1.Image)
	if !ok {
		return nil, fmt.Errorf("annotate the manifests: %T is no image", image)
	}
	return annotated, nil
}
