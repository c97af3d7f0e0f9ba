package view

import (
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
)

// Age formats a time span as kubectl does. A span that is not positive, as from clocks that differ, is "0s".
func Age(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	return duration.HumanDuration(d)
}
