package poolconfig

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/names"
	"github.com/gorizond/capi-vip-allocator/internal/vip"
)

// perCluster reads how many addresses a Cluster gets. A number that cannot be read closes the pool: a Cluster that
// gets one address where several were meant has the wrong ones.
func (c *configuration) perCluster() {
	text, ok := c.view.Annotations[names.PerCluster]
	if !ok {
		return
	}
	number, err := parsePerCluster(text)
	switch {
	case err != nil:
	case number > 1 && slices.Equal(c.pool.Roles, []string{names.RoleControlPlane}):
		err = fmt.Errorf("role %s has one endpoint, and so one address; remove the annotation", names.RoleControlPlane)
	case number > 1 && c.pool.HostVariable != "" && !slices.Contains(c.pool.Roles, names.RoleControlPlane):
		err = errors.New("a variable holds one address; remove this annotation, or " + names.HostVariable)
	}
	if err != nil {
		c.closes(names.PerCluster, err)
		return
	}
	c.pool.PerCluster = number
}

func parsePerCluster(text string) (int, error) {
	number, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || number < 1 || number > names.MostAddresses {
		return 0, fmt.Errorf("%q is not a number from 1 to %d", vip.Cut(text, maxEntry), names.MostAddresses)
	}
	return number, nil
}

// PerCluster returns how many addresses a Cluster gets from the pool for a role.
func (k *Keys) PerCluster(role string) int {
	number, err := parsePerCluster(k.Annotations[names.PerCluster])
	if err != nil || role == names.RoleControlPlane {
		return 1
	}
	return number
}
