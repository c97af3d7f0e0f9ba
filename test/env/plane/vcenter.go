package plane

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

// vSphereCredentials is the file in its working directory in which provider VSphere looks for the credentials of
// objects without an identity.
const vSphereCredentials = "vsphere-credentials.yaml"

// The vCenter's template, and the login: it accepts any name and password.
const (
	vmTemplate      = "template"
	vCenterUser     = "administrator"
	vCenterPassword = "password"
)

// VCenter is what a VSphereCluster and its machines need to know about the simulated vCenter.
type VCenter struct {
	// Server is its address with the port, and Thumbprint the SHA-1 of its certificate, as vSphere has it.
	Server, Thumbprint string
	// Username and Password log in.
	Username, Password string
	// The inventory.
	Datacenter, Datastore, Folder, ResourcePool, Network, Template string
}

// VirtualMachine is a machine that was cloned from the template.
type VirtualMachine struct {
	Name      string    `json:"name"`
	Power     string    `json:"power"`
	Addresses []string  `json:"addresses"`
	Cloned    time.Time `json:"cloned"`
	// Removed is when it was destroyed; zero while it is there.
	Removed time.Time `json:"removed"`
	// Guest is the guest information set on it, such as guestinfo.userdata.
	Guest map[string]string `json:"guest"`
}

// UserData returns what the machine's cloud-init gets.
func (m *VirtualMachine) UserData() (string, error) {
	encoded, found := m.Guest["guestinfo.userdata"]
	if !found {
		return "", errors.New("machine " + m.Name + " has no user data")
	}
	if encoding := m.Guest["guestinfo.userdata.encoding"]; encoding != "base64" {
		return "", fmt.Errorf("the user data of machine %s is encoded as %q", m.Name, encoding)
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", fmt.Errorf("decode the user data of machine %s: %w", m.Name, err)
	}
	return string(decoded), nil
}

// VCenter returns the simulated vCenter of a plane that runs provider VSphere.
func (p *Plane) VCenter() (VCenter, error) {
	certificate, err := os.ReadFile(p.path("pki", "webhook", "tls.crt"))
	if err != nil {
		return VCenter{}, fmt.Errorf("read the vCenter's certificate: %w", err)
	}
	block, _ := pem.Decode(certificate)
	if block == nil {
		return VCenter{}, errors.New("the vCenter's certificate is not PEM")
	}
	digits := make([]string, 0, sha1.Size)
	for _, b := range sha1.Sum(block.Bytes) {
		digits = append(digits, fmt.Sprintf("%02X", b))
	}
	return VCenter{
		Server: address(p.ports.providers[Simulator].main), Thumbprint: strings.Join(digits, ":"),
		Username: vCenterUser, Password: vCenterPassword,
		Datacenter: "DC0", Datastore: "LocalDS_0", Folder: "/DC0/vm", ResourcePool: "/DC0/host/DC0_C0/Resources",
		Network: "VM Network", Template: vmTemplate,
	}, nil
}

// Machines lists the machines that were cloned in the vCenter, including those that are gone.
func (p *Plane) Machines(ctx context.Context) ([]VirtualMachine, error) {
	url := "http://" + address(p.ports.providers[Simulator].side) + "/machines"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask the vCenter: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the vCenter (does the plane run provider %s?): %w", VSphere, err)
	}
	defer func() { _ = response.Body.Close() }()
	var machines []VirtualMachine
	if err := json.NewDecoder(response.Body).Decode(&machines); err != nil {
		return nil, fmt.Errorf("read the vCenter's machines: %w", err)
	}
	return machines, nil
}

func (p *Plane) addVCenter() {
	ports := p.ports.providers[Simulator]
	p.addProcess(Simulator, []string{
		"--listen=" + address(ports.main),
		"--inspect=" + address(ports.side),
		"--certificate=" + p.path("pki", "webhook", "tls.crt"),
		"--key=" + p.path("pki", "webhook", "tls.key"),
		"--template=" + vmTemplate,
	}, allReady(httpReady(http.DefaultClient, "http://"+address(ports.side)+"/healthz"), p.tlsReady(ports.main)))
}

// writeCredentials writes the login that provider VSphere uses for a VSphereCluster without its own identity.
func (p *Plane) writeCredentials() error {
	text := fmt.Sprintf("username: %s\npassword: %s\n", vCenterUser, vCenterPassword)
	if err := os.WriteFile(p.path(vSphereCredentials), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the credentials of the vCenter: %w", err)
	}
	return nil
}
