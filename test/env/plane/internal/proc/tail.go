package proc

import (
	"bytes"
	"io"
	"os"
)

// tailBytes bounds how much of a log is read for its tail; API server lines can be long.
const tailBytes = 16 << 10

// Tail returns the last lines of a file, or a note why it cannot.
func Tail(path string, lines int) string {
	file, err := os.Open(path)
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	defer func() { _ = file.Close() }()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	start := max(size-tailBytes, 0)
	data := make([]byte, size-start)
	if _, err := file.ReadAt(data, start); err != nil {
		return "(no log: " + err.Error() + ")"
	}
	all := bytes.Split(bytes.TrimRight(data, "\n"), []byte("\n"))
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return string(bytes.Join(all, []byte("\n")))
}
