// Command build builds all programs that the tests use, and reports what it does.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/gorizond/capi-vip-allocator/test/install/internal/programs"
)

func main() {
	for _, program := range programs.All() {
		begin := time.Now()
		fmt.Printf("building %s\n", program)
		if _, err := programs.Path(context.Background(), program); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Printf("built %s in %s\n", program, time.Since(begin).Round(100*time.Millisecond))
	}
}
