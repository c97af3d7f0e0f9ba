package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
)

// sumsFile lists the checksums, as sha256sum writes and checks them.
const sumsFile = "SHA256SUMS"

// sums writes the checksums of all output files.
func (r *release) sums(context.Context) error {
	files, err := os.ReadDir(r.out)
	if err != nil {
		return fmt.Errorf("list the results: %w", err)
	}
	var out bytes.Buffer
	for _, file := range files {
		if file.IsDir() || file.Name() == sumsFile {
			continue
		}
		content, err := os.ReadFile(r.path(file.Name()))
		if err != nil {
			return fmt.Errorf("read a result: %w", err)
		}
		fmt.Fprintf(&out, "%x  %s\n", sha256.Sum256(content), file.Name())
	}
	return r.write(sumsFile, out.Bytes())
}
