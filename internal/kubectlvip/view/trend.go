package view

import (
	"fmt"
	"math"
	"time"
)

const (
	day = 24 * time.Hour
	// trendDays is how far back a trend looks.
	trendDays = 30
	// farthest is how far ahead anyone plans; a later date says nothing.
	farthest = 5 * 365 * day
)

// Trend says how fast a pool fills up. It is read from the ages of the addresses that are given away now: what was
// given back meanwhile left no trace, and so counts for nothing.
type Trend struct {
	// Held is how many of today's addresses were given away already at the end of each of the last 30 days, oldest
	// first.
	Held []int `json:"held"`
	// PerDay is how many were given away each day; 0 if it is not known.
	PerDay float64 `json:"perDay"`
	// Full is when the pool has no free address at this rate; nil if it is not known or in more than five years.
	Full *time.Time `json:"full,omitempty"`
	// Says is the trend in a few words.
	Says string `json:"says"`
}

// trend computes the trend of a pool.
func (a *Atlas) trend(pool *PoolFacts) Trend {
	now := a.facts.Now
	t := Trend{Held: make([]int, trendDays)}
	var oldest time.Time
	recent := 0
	for _, user := range a.addressesOf(&pool.Pool) {
		if user.Since.IsZero() {
			continue
		}
		if oldest.IsZero() || user.Since.Before(oldest) {
			oldest = user.Since
		}
		age := max(int(now.Sub(user.Since)/day), 0)
		if age < trendDays {
			recent++
		}
		for d := max(trendDays-1-age, 0); d < trendDays; d++ {
			t.Held[d]++
		}
	}
	span := now.Sub(oldest)
	switch {
	case oldest.IsZero():
		t.Says = "nothing given away"
		return t
	case span < day:
		t.Says = "less than a day old"
		return t
	case span < trendDays*day:
		recent-- // the span begins with the first one
	default:
		span = trendDays * day
	}
	days := span.Hours() / day.Hours()
	t.PerDay = float64(recent) / days
	if recent == 0 {
		t.Says = fmt.Sprintf("none in %.0f days", days)
		return t
	}
	t.Says = fmt.Sprintf("%d in %.0f days", recent, math.Ceil(days))
	if c := pool.Capacity; c.Known && c.Free > 0 {
		left := float64(c.Free) / t.PerDay
		if left < farthest.Hours()/day.Hours() {
			full := now.Add(time.Duration(left * float64(day)))
			t.Full = &full
		}
	}
	return t
}

// TrendOf returns how fast a pool fills up. It reports false if there is no such pool.
func TrendOf(a *Atlas, kind, namespace, name string) (Trend, bool) {
	pool := a.pool(kind, namespace, name)
	if pool == nil {
		return Trend{}, false
	}
	return a.trend(pool), true
}
