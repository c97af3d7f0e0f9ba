package web

import (
	"fmt"
	"strings"

	"github.com/gorizond/capi-vip-allocator/internal/kubectlvip/view"
)

// nearlyFull is the used percentage from which a pool is worth a look.
const nearlyFull = 80

// use says how full a pool is.
type use struct {
	// Percent is rounded so that any use shows and only a full pool is at 100.
	Percent int
	// Tone is "good", "wait" or "bad".
	Tone string
	Text string
}

// usage returns how full a pool is; nil if unknown.
func usage(c *view.Capacity) *use {
	switch {
	case c == nil:
		return nil
	case c.Total <= 0:
		return &use{Tone: "bad", Text: "no addresses"}
	}
	used := c.Total - c.Free
	u := &use{Percent: max(min(used*100/c.Total, 100), 0), Tone: "good"}
	if used > 0 {
		u.Percent = max(u.Percent, 1)
	}
	switch {
	case c.Free <= 0:
		u.Tone = "bad"
	case u.Percent >= nearlyFull:
		u.Tone = "wait"
	}
	u.Text = fmt.Sprintf("%d of %d in use", used, c.Total)
	return u
}

// The size of a drawn trend.
const (
	sparkWidth  = 90
	sparkHeight = 20
)

// spark returns the line of a trend, as the points of a polyline; empty if there is nothing to draw.
func spark(t view.Trend) string {
	most := 0
	for _, n := range t.Held {
		most = max(most, n)
	}
	if most == 0 || len(t.Held) < 2 {
		return ""
	}
	points := make([]string, len(t.Held))
	for i, n := range t.Held {
		points[i] = fmt.Sprintf("%d,%d", i*sparkWidth/(len(t.Held)-1), sparkHeight-1-n*(sparkHeight-2)/most)
	}
	return strings.Join(points, " ")
}
