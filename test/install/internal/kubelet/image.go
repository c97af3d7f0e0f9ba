package kubelet

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// Unpack extracts the image for this machine from an OCI archive into a directory, and returns its configuration.
func Unpack(archive, root string) (v1.Config, error) {
	dir, err := os.MkdirTemp("", "image-")
	if err != nil {
		return v1.Config{}, fmt.Errorf("make a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file, err := os.Open(archive)
	if err != nil {
		return v1.Config{}, fmt.Errorf("open the image: %w", err)
	}
	defer func() { _ = file.Close() }()
	if err := untar(file, dir); err != nil {
		return v1.Config{}, err
	}
	image, err := forThisMachine(dir)
	if err != nil {
		return v1.Config{}, err
	}
	layers, err := image.Layers()
	if err != nil {
		return v1.Config{}, fmt.Errorf("read the layers: %w", err)
	}
	for _, layer := range layers {
		content, err := layer.Uncompressed()
		if err != nil {
			return v1.Config{}, fmt.Errorf("read a layer: %w", err)
		}
		if err := untar(content, root); err != nil {
			return v1.Config{}, err
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return v1.Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	return config.Config, nil
}

// Images returns the images of all platforms in the directory of an unpacked archive.
func Images(dir string) (map[string]v1.Image, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	outer, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	if len(outer.Manifests) != 1 {
		return nil, fmt.Errorf("the archive holds %d images", len(outer.Manifests))
	}
	inner, err := index.ImageIndex(outer.Manifests[0].Digest)
	if err != nil {
		return nil, fmt.Errorf("read the image: %w", err)
	}
	manifest, err := inner.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("read the image: %w", err)
	}
	images := map[string]v1.Image{}
	for _, described := range manifest.Manifests {
		image, err := inner.Image(described.Digest)
		if err != nil {
			return nil, fmt.Errorf("read the image: %w", err)
		}
		images[described.Platform.String()] = image
	}
	return images, nil
}

func forThisMachine(dir string) (v1.Image, error) {
	images, err := Images(dir)
	if err != nil {
		return nil, err
	}
	image, found := images["linux/"+runtime.GOARCH]
	if !found {
		return nil, fmt.Errorf("the image is not made for linux/%s", runtime.GOARCH)
	}
	return image, nil
}

// Untar unpacks an archive.
func Untar(archive, dir string) error {
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("open the archive: %w", err)
	}
	defer func() { _ = file.Close() }()
	return untar(file, dir)
}

func untar(stream io.Reader, dir string) error {
	reader := tar.NewReader(stream)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
		if !filepath.IsLocal(header.Name) || strings.Contains(header.Name, `\`) {
			return fmt.Errorf("unpack: %q leads out", header.Name)
		}
		target := filepath.Join(dir, header.Name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
		if err := os.WriteFile(target, content, header.FileInfo().Mode().Perm()); err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
	}
}
