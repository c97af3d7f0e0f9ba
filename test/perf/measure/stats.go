package measure

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Sample is a list of measurements of one kind.
type Sample[T cmp.Ordered] []T

// At returns the value that the given share of the sample does not exceed (nearest rank), or zero for an empty
// sample.
func (s Sample[T]) At(share float64) T {
	var none T
	if len(s) == 0 {
		return none
	}
	sorted := slices.Sorted(slices.Values(s))
	rank := int(math.Ceil(share*float64(len(sorted)))) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}

// Median is the middle value, or the lower of two.
func (s Sample[T]) Median() T { return s.At(0.5) }

// P99 is the 99th percentile.
func (s Sample[T]) P99() T { return s.At(0.99) }

// Least is the smallest value.
func (s Sample[T]) Least() T { return s.At(0) }

// Most is the largest value.
func (s Sample[T]) Most() T { return s.At(1) }

// Collect applies a measure to each item.
func Collect[I any, T cmp.Ordered](items []I, measure func(I) T) Sample[T] {
	values := make(Sample[T], 0, len(items))
	for _, item := range items {
		values = append(values, measure(item))
	}
	return values
}

// Spread formats a sample as its median and its range.
func Spread[T cmp.Ordered](s Sample[T], format func(T) string) string {
	if len(s) < 2 {
		return format(s.Median())
	}
	return fmt.Sprintf("%s (%s to %s)", format(s.Median()), format(s.Least()), format(s.Most()))
}
