package chaos

import "pgregory.net/rapid"

// bits is how many coins are tossed for a number: enough to draw evenly from a list of a hundred things.
const bits = 16

// between draws a number from first to last, all equally likely. rapid's own numbers are mostly small, which keeps
// examples small, but here would repeat the first operations of the list over and over.
func between(rt *rapid.T, first, last int, label string) int {
	number := 0
	for _, coin := range rapid.SliceOfN(rapid.Bool(), bits, bits).Draw(rt, label) {
		number *= 2
		if coin {
			number++
		}
	}
	return first + number%(last-first+1)
}

// pick draws one of the items, all equally likely.
func pick[T any](rt *rapid.T, items []T, label string) T {
	return items[between(rt, 0, len(items)-1, label)]
}
