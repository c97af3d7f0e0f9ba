package main

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"regexp"
	"runtime/debug"
	"strings"
	"time"
)

// The parts of SPDX 2.3 that the SBOM uses.
type (
	spdxDocument struct {
		Version       string             `json:"spdxVersion"`
		DataLicense   string             `json:"dataLicense"`
		ID            string             `json:"SPDXID"`
		Name          string             `json:"name"`
		Namespace     string             `json:"documentNamespace"`
		Creation      spdxCreation       `json:"creationInfo"`
		Packages      []spdxPackage      `json:"packages"`
		Relationships []spdxRelationship `json:"relationships"`
	}
	spdxCreation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		ID               string         `json:"SPDXID"`
		Name             string         `json:"name"`
		VersionInfo      string         `json:"versionInfo"`
		DownloadLocation string         `json:"downloadLocation"`
		FilesAnalyzed    bool           `json:"filesAnalyzed"`
		LicenseConcluded string         `json:"licenseConcluded"`
		LicenseDeclared  string         `json:"licenseDeclared"`
		CopyrightText    string         `json:"copyrightText"`
		Purpose          string         `json:"primaryPackagePurpose,omitempty"`
		ExternalRefs     []spdxExternal `json:"externalRefs,omitempty"`
	}
	spdxExternal struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	spdxRelationship struct {
		Element string `json:"spdxElementId"`
		Type    string `json:"relationshipType"`
		Related string `json:"relatedSpdxElement"`
	}
)

const (
	spdxDocumentID = "SPDXRef-DOCUMENT"
	spdxNone       = "NOASSERTION"
)

// sbom lists what is linked into the image's programs, according to their build info.
func (r *release) sbom(ctx context.Context) error {
	var linked []*buildinfo.BuildInfo
	for _, name := range programs() {
		program, err := r.build(ctx, name, r.platforms[0])
		if err != nil {
			return err
		}
		info, err := buildinfo.ReadFile(program)
		if err != nil {
			return fmt.Errorf("read what is linked into %s: %w", name, err)
		}
		linked = append(linked, info)
	}
	content, err := json.MarshalIndent(r.document(linked), "", "  ")
	if err != nil {
		return fmt.Errorf("write the SBOM: %w", err)
	}
	return r.write(fmt.Sprintf("%s_%s.spdx.json", project, r.version), append(content, '\n'))
}

// document describes one or more programs of one module.
func (r *release) document(programs []*buildinfo.BuildInfo) spdxDocument {
	operator := modulePackage(programs[0].Main.Path, r.version)
	operator.LicenseConcluded, operator.LicenseDeclared, operator.Purpose = "Apache-2.0", "Apache-2.0", "APPLICATION"
	document := spdxDocument{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: spdxDocumentID, Name: project + " " + r.version,
		Namespace: fmt.Sprintf("https://github.com/gorizond/%s/spdx/%s-%s", project, r.version, r.commit),
		Creation: spdxCreation{
			Created:  r.date.Format(time.RFC3339),
			Creators: []string{"Organization: gorizond", "Tool: " + project + "-hack-release"},
		},
		Packages: []spdxPackage{operator},
		Relationships: []spdxRelationship{
			{spdxDocumentID, "DESCRIBES", operator.ID},
		},
	}
	linked := []*debug.Module{{Path: "stdlib", Version: strings.TrimPrefix(programs[0].GoVersion, "go")}}
	for _, program := range programs {
		linked = append(linked, program.Deps...)
	}
	known := map[string]bool{}
	for _, module := range linked {
		if module.Replace != nil {
			module = module.Replace
		}
		if known[module.Path] {
			continue // programs of one module have the same versions
		}
		known[module.Path] = true
		dependency := modulePackage(module.Path, module.Version)
		document.Packages = append(document.Packages, dependency)
		document.Relationships = append(document.Relationships, spdxRelationship{
			operator.ID, "DEPENDS_ON", dependency.ID,
		})
	}
	return document
}

func modulePackage(path, version string) spdxPackage {
	location := "https://" + path
	if path == "stdlib" {
		location = "https://go.dev/dl/go" + version + ".src.tar.gz"
	}
	return spdxPackage{
		ID:   "SPDXRef-" + regexp.MustCompile(`[^A-Za-z0-9.-]+`).ReplaceAllString(path, "-"),
		Name: path, VersionInfo: version, DownloadLocation: location, Purpose: "LIBRARY",
		LicenseConcluded: spdxNone, LicenseDeclared: spdxNone, CopyrightText: spdxNone,
		ExternalRefs: []spdxExternal{{
			"PACKAGE-MANAGER", "purl",
			"pkg:golang/" + strings.ReplaceAll(path, "+", "%2B") + "@" + strings.ReplaceAll(version, "+", "%2B"),
		}},
	}
}
