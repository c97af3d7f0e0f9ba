package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/web"
)

// plan answers what the Clusters of a manifest would get. It is the only request that is a POST, because manifests
// are too large for an address. It changes nothing.
func (s *Server) plan(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxManifest)
	manifest, err := manifestOf(r)
	var tooLarge *http.MaxBytesError
	planned := web.Planned{Manifest: string(manifest)}
	switch {
	case errors.As(err, &tooLarge):
		planned.Problem = fmt.Sprintf("The manifest is larger than %d KiB.", maxManifest>>10)
	case err != nil:
		refuse(w, r, http.StatusBadRequest, "Not understood", "This is not what the form sends.")
		return
	default:
		select {
		case s.plans <- struct{}{}:
			defer func() { <-s.plans }()
		case <-r.Context().Done():
			return
		}
		if planned.Plans, err = s.source.Plan(manifest); err != nil {
			planned.Problem = err.Error()
		}
	}
	s.page(func(out *bytes.Buffer, a *view.Atlas, _ url.Values) (bool, error) {
		return true, web.Plan(out, a, planned)
	})(w, r)
}

// manifestOf returns the uploaded file, else the text.
func manifestOf(r *http.Request) ([]byte, error) {
	if err := r.ParseMultipartForm(maxManifest); err != nil {
		return nil, fmt.Errorf("read the form: %w", err)
	}
	if file, header, err := r.FormFile("file"); err == nil {
		defer func() { _ = file.Close() }() // it was only read
		if header.Size > 0 {
			return io.ReadAll(file)
		}
	}
	return []byte(r.PostFormValue("manifest")), nil
}
