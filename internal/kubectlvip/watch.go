package kubectlvip

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/live"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/render"
	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

// refresh is how often the ages in a table are refreshed.
const refresh = 10 * time.Second

// watched is what a watched list shows: Clusters, and whether their namespaces are printed.
type watched struct {
	clusters   func(*view.Facts) ([]view.Cluster, error)
	namespaces bool
}

// watchList shows the list and every change until ctx ends. A terminal gets a table that changes in place; other
// outputs get the changed rows, as from kubectl.
func (a *app) watchList(ctx context.Context, world *live.World, w watched) error {
	show := a.changesOnly(w)
	if _, _, ok := a.terminal(); ok && a.forPeople() {
		show = a.inPlace(w)
	}
	err := world.Watch(ctx, refresh, func() error { return show(world.Facts()) })
	if err != nil && ctx.Err() == nil {
		return noCluster(err)
	}
	return nil
}

// inPlace returns a function that draws the whole table over the last one, without what is below the screen's end.
func (a *app) inPlace(w watched) func(*view.Facts) error {
	drawn := 0
	return func(f *view.Facts) error {
		clusters, err := w.clusters(f)
		if err != nil {
			return err
		}
		lines := render.ListLines(clusters, w.namespaces, a.options(f.Now))
		width, height, _ := a.terminal()
		if height > 2 && len(lines) > height-1 {
			hidden := len(lines) - height + 2
			lines = append(slices.Clip(lines[:height-2]), fmt.Sprintf("... and %d more", hidden))
		}
		for i := range lines {
			lines[i] = shortened(lines[i], width)
		}
		return redraw(a.Out, lines, &drawn)
	}
}

// shortened cuts a line to the width of a terminal, with dots at the end if something is missing. Colours take no
// room, and end with the line.
func shortened(line string, width int) string {
	const more, plain = "...", "\x1b[0m"
	room, cut, inColor := width, 0, false
	for at, letter := range line {
		switch {
		case inColor:
			inColor = letter != 'm'
		case letter == '\x1b':
			inColor = true
		default:
			if room == len(more) {
				cut = at
			}
			room--
			if room < 0 {
				return line[:cut] + plain + more
			}
		}
	}
	return line
}

// redraw writes lines over the previous ones. If a line is still too long because the terminal has become narrower,
// the terminal cuts it, so that the number of lines stays known.
func redraw(out io.Writer, lines []string, drawn *int) error {
	var text strings.Builder
	text.WriteString("\x1b[?7l")
	if *drawn > 0 {
		fmt.Fprintf(&text, "\x1b[%dA", *drawn)
	}
	for _, line := range lines {
		text.WriteString("\r" + line + "\x1b[K\n")
	}
	text.WriteString("\x1b[J\x1b[?7h")
	*drawn = len(lines)
	_, err := io.WriteString(out, text.String())
	return err
}

// changesOnly returns a function that prints the Clusters that changed since its last call. The first call prints
// all; Clusters that are gone are printed with that state.
func (a *app) changesOnly(w watched) func(*view.Facts) error {
	known := map[types.NamespacedName]view.Cluster{}
	first := true
	return func(f *view.Facts) error {
		clusters, err := w.clusters(f)
		if err != nil {
			return err
		}
		changed := changes(known, clusters)
		headers := a.noHeaders || !first
		if len(changed) == 0 {
			return nil
		}
		first = false
		if !a.forPeople() {
			for i := range changed {
				if err := a.stream(&changed[i]); err != nil {
					return err
				}
			}
			return nil
		}
		o := a.options(f.Now)
		o.NoHeaders = headers
		return render.List(a.Out, changed, w.namespaces, o)
	}
}

// stream prints a Cluster as one document of several.
func (a *app) stream(cluster *view.Cluster) error {
	if a.output == outputYAML {
		if _, err := io.WriteString(a.Out, "---\n"); err != nil {
			return err
		}
	}
	return a.print(cluster, nil, time.Time{})
}

// changes returns the Clusters that differ from known, and updates known.
func changes(known map[types.NamespacedName]view.Cluster, clusters []view.Cluster) []view.Cluster {
	var changed []view.Cluster
	there := map[types.NamespacedName]bool{}
	for _, cluster := range clusters {
		key := types.NamespacedName{Namespace: cluster.Namespace, Name: cluster.Name}
		there[key] = true
		if before, ok := known[key]; !ok || !same(&before, &cluster) {
			known[key] = cluster
			changed = append(changed, cluster)
		}
	}
	for key, cluster := range known {
		if !there[key] {
			delete(known, key)
			cluster.State = view.StateGone
			changed = append(changed, cluster)
		}
	}
	return changed
}

func same(a, b *view.Cluster) bool {
	return a.State == b.State && a.Class == b.Class && a.Endpoint == b.Endpoint && a.Created.Equal(b.Created) &&
		slices.Equal(a.Roles, b.Roles)
}
