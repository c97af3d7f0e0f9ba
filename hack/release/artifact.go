package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// What the artifact of manifests is, for registries and their tools. The Cluster API operator reads titles only.
const (
	manifestsType = "application/vnd.gorizond.capi-vip-allocator.manifests.v1+json"
	fileType      = "application/yaml"
	titleKey      = "org.opencontainers.image.title"
)

// pushManifests puts the manifests into the registry as an artifact that a provider's fetchConfig.oci takes, beside the
// image and under the same version, and writes its digest to manifests.digest for those who sign it.
func (r *release) pushManifests(ctx context.Context) error {
	content, err := r.components()
	if err != nil {
		return err
	}
	metadata, err := r.metadataContent()
	if err != nil {
		return err
	}
	// These names serve a provider of every type, and so the CAPIProvider of Turtles too, which has a type of its own.
	artifact, err := r.artifact(map[string][]byte{"components.yaml": content, "metadata.yaml": metadata})
	if err != nil {
		return err
	}
	reference, err := name.ParseReference(r.repository + "-manifests:" + r.version)
	if err != nil {
		return fmt.Errorf("--repository: %w", err)
	}
	login := remote.WithAuthFromKeychain(authn.DefaultKeychain)
	if err := remote.Write(reference, artifact, login, remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("push %s: %w", reference, err)
	}
	return r.pushed(reference, artifact, "manifests.digest")
}

// artifact packs files, each as a layer that has the file's name for its title.
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
