package plane

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollInterval is short: on a plane the usual answer is there within milliseconds.
const pollInterval = 20 * time.Millisecond

// Eventually calls check until it returns nil. If ctx ends first, it returns the last error of check together with
// the context's. Give ctx a deadline.
func Eventually(ctx context.Context, check func(context.Context) error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		// An error that merely says that time is up would hide the reason for the wait.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		var final *finalError
		if errors.As(err, &final) {
			return final.err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %w", ctx.Err(), last)
		case <-ticker.C:
		}
	}
}

// finalError ends Eventually at once.
type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }

// Final marks an error of a check as one that waiting will not cure.
func Final(err error) error { return &finalError{err: err} }
