// Package ui checks the pages of kubectl vip ui in a real browser, on a real control plane: see make test-ui.
package ui
