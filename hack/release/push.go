package main

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
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
	login := remote.WithAuthFromKeychain(authn.DefaultKeychain)
	if err := remote.WriteIndex(reference, index, login, remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("push %s: %w", reference, err)
	}
	return r.pushed(reference, index, "image.digest")
}

// pushed tells of what was pushed, and writes its digest to a file.
func (r *release) pushed(reference name.Reference, what interface{ Digest() (v1.Hash, error) }, file string) error {
	digest, err := what.Digest()
	if err != nil {
		return fmt.Errorf("digest %s: %w", reference, err)
	}
	say("pushed %s@%s", reference, digest)
	return r.write(file, []byte(digest.String()+"\n"))
}
