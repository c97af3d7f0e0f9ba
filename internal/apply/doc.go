// Package apply carries plans out through the API server. It is the only writer, and tells the state what it wrote.
package apply
