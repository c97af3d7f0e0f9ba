package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// manifestsSuffix turns the image's repository into that of the manifests.
const manifestsSuffix = "-manifests"

// reference returns where to push the image or, with a suffix, what goes next to it.
func (r *release) reference(suffix string) (name.Reference, error) {
	reference, err := name.ParseReference(r.repository + suffix + ":" + r.version)
	if err != nil {
		return nil, fmt.Errorf("--repository: %w", err)
	}
	return reference, nil
}

// mayPush asks the registry whether it will accept the image, before the release spends minutes on building it.
func (r *release) mayPush(context.Context) error {
	reference, err := r.reference("")
	if err != nil {
		return err
	}
	if err := remote.CheckPushPermission(reference, authn.DefaultKeychain, remote.DefaultTransport); err != nil {
		return refused(reference, err)
	}
	return nil
}

// push pushes the image to its registry under the version, with the credentials of docker login. It writes the digest
// to image.digest for whoever signs it.
func (r *release) push(ctx context.Context) error {
	index, err := r.index(ctx)
	if err != nil {
		return err
	}
	reference, err := r.reference("")
	if err != nil {
		return err
	}
	if err := remote.WriteIndex(reference, index, credentials(), remote.WithContext(ctx)); err != nil {
		return refused(reference, err)
	}
	return r.pushed(reference, index, "image.digest")
}

// credentials returns those that docker login or podman login has stored.
func credentials() remote.Option { return remote.WithAuthFromKeychain(authn.DefaultKeychain) }

// refused returns why a push failed. If the registry denied access, the error says what to do.
func refused(reference name.Reference, err error) error {
	var answer *transport.Error
	if !errors.As(err, &answer) ||
		answer.StatusCode != http.StatusUnauthorized && answer.StatusCode != http.StatusForbidden {
		return fmt.Errorf("push %s: %w", reference, err)
	}
	registry := reference.Context().RegistryStr()
	says := "does not accept the credentials that docker login has left"
	if found, resolving := authn.DefaultKeychain.Resolve(reference.Context()); resolving == nil &&
		found == authn.Anonymous {
		says = "wants credentials, and docker login has left none"
	}
	return fmt.Errorf("push %s: the registry %s %s; run `docker login %s` as someone who may push there: %w",
		reference, registry, says, registry, err)
}

// pushed reports what was pushed, and writes its digest to a file.
func (r *release) pushed(reference name.Reference, what interface{ Digest() (v1.Hash, error) }, file string) error {
	digest, err := what.Digest()
	if err != nil {
		return fmt.Errorf("digest %s: %w", reference, err)
	}
	say("pushed %s@%s", reference, digest)
	return r.write(file, []byte(digest.String()+"\n"))
}
