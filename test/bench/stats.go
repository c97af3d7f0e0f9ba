package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// sample is a list of measurements of one kind.
type sample[T cmp.Ordered] []T

// at returns the value that the given share of the sample does not exceed (nearest rank), and zero of an empty sample.
func (s sample[T]) at(share float64) T {
	var none T
	if len(s) == 0 {
		return none
	}
	sorted := slices.Sorted(slices.Values(s))
	rank := int(math.Ceil(share*float64(len(sorted)))) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}

func (s sample[T]) median() T { return s.at(0.5) }
func (s sample[T]) p99() T    { return s.at(0.99) }
func (s sample[T]) least() T  { return s.at(0) }
func (s sample[T]) most() T   { return s.at(1) }

// collect measures each of the items.
func collect[I any, T cmp.Ordered](items []I, measure func(I) T) sample[T] {
	values := make(sample[T], 0, len(items))
	for _, item := range items {
		values = append(values, measure(item))
	}
	return values
}

// millis prints a short time.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// seconds prints a long time.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// spread prints a sample as its median and its range.
func spread[T cmp.Ordered](s sample[T], format func(T) string) string {
	if len(s) < 2 {
		return format(s.median())
	}
	return fmt.Sprintf("%s (%s to %s)", format(s.median()), format(s.least()), format(s.most()))
}
