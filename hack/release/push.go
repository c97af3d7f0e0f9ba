package main

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// push puts the image into its registry under the version, with the credentials of docker login, and writes its digest
// to image.digest for those who sign it.
func (r *release) push(ctx context.Context) error {
	index, err := r.index(ctx)
	if err != nil {
		return err
	}
	reference, err := name.ParseReference(r.repository + ":" + r.version)
	if err != nil {
		return fmt.Errorf("--repository: %w", err)
	}
	if err := remote.WriteIndex(reference, index, remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("push %s: %w", reference, err)
	}
	digest, err := index.Digest()
	if err != nil {
		return fmt.Errorf("digest the image: %w", err)
	}
	say("pushed %s@%s", reference, digest)
	return r.write("image.digest", []byte(digest.String()+"\n"))
}
