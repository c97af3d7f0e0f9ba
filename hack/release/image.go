package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user is the image's user and group: numeric, so that the kubelet can see that it is not root.
const user = "65532:65532"

// imageFile returns the name of the image's archive.
func (r *release) imageFile() string { return fmt.Sprintf("%s_%s_image.tar", project, r.version) }

// programs returns the programs in the image: the operator, which it runs, and the plugin, which serves the pages in
// the cluster.
func programs() []string { return []string{project, pluginName} }

// image builds the image for all platforms from only the programs and the licence, without a registry or daemon, and
// writes it as an OCI archive.
func (r *release) image(ctx context.Context) error {
	index, err := r.index(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", project+"-image-")
	if err != nil {
		return fmt.Errorf("make a directory for the image: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	target, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	err = target.AppendIndex(index, layout.WithAnnotations(map[string]string{
		"io.containerd.image.name":          r.repository + ":" + r.version,
		"org.opencontainers.image.ref.name": r.version,
	}))
	if err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	packed, err := packDir(dir, r.date)
	if err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return fmt.Errorf("digest the image: %w", err)
	}
	say("image %s:%s is %s", r.repository, r.version, digest)
	return r.write(r.imageFile(), packed)
}

// index returns the image for all platforms.
func (r *release) index(ctx context.Context) (v1.ImageIndex, error) {
	if r.made != nil {
		return r.made, nil
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, platform := range r.platforms {
		image, err := r.platformImage(ctx, platform)
		if err != nil {
			return nil, err
		}
		system, arch, _ := strings.Cut(platform, "/")
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: system, Architecture: arch}},
		})
	}
	annotated, ok := mutate.Annotations(index, r.annotations()).(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("annotate the image: %T is no index", index)
	}
	r.made = annotated
	return annotated, nil
}

func (r *release) annotations() map[string]string {
	return map[string]string{
		titleKey:                            project,
		"org.opencontainers.image.source":   "https://github.com/gorizond/" + project,
		"org.opencontainers.image.licenses": "Apache-2.0",
		"org.opencontainers.image.version":  r.version,
		"org.opencontainers.image.revision": r.commit,
		"org.opencontainers.image.created":  r.date.Format(time.RFC3339),
	}
}

func (r *release) platformImage(ctx context.Context, platform string) (v1.Image, error) {
	files := []string{filepath.Join(r.root, "LICENSE")}
	for _, name := range programs() {
		program, err := r.build(ctx, name, platform)
		if err != nil {
			return nil, err
		}
		files = append(files, program)
	}
	layer, err := r.layer(files)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{
		Layer: layer, History: v1.History{
			Created: v1.Time{Time: r.date}, CreatedBy: "hack/release", Comment: "static programs and licence",
		},
	})
	if err != nil {
		return nil, fmt.Errorf("make the image: %w", err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("make the image: %w", err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, _ = strings.Cut(platform, "/")
	file.Created = v1.Time{Time: r.date}
	file.Config = v1.Config{
		User: user, Entrypoint: []string{"/" + project}, WorkingDir: "/", Labels: r.annotations(),
		ExposedPorts: map[string]struct{}{"8080/tcp": {}, "8443/tcp": {}, "9440/tcp": {}},
	}
	if image, err = mutate.ConfigFile(image, file); err != nil {
		return nil, fmt.Errorf("make the image: %w", err)
	}
	return image, nil
}

func (r *release) layer(files []string) (v1.Layer, error) {
	var entries []entry
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("make the image: %w", err)
		}
		name := filepath.Base(file)
		entries = append(entries, entry{name: name, content: content, program: slices.Contains(programs(), name)})
	}
	packed, err := tarballOf(entries, r.date)
	if err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed)), nil }
	layer, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("make the image: %w", err)
	}
	return layer, nil
}

// packDir packs a directory, sorted by name.
func packDir(dir string, date time.Time) ([]byte, error) {
	var entries []entry
	err := filepath.WalkDir(dir, func(path string, file fs.DirEntry, err error) error {
		if err != nil || file.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		entries = append(entries, entry{name: filepath.ToSlash(relative), content: content})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("pack the image: %w", err)
	}
	return tarballOf(entries, date)
}
