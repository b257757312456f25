package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// sectorBytes is the unit in which Linux counts what a disk writes, whatever its own sectors are.
const sectorBytes = 512

// deviceWritten is what the disk that holds a directory has written, for all processes. The account that Linux keeps of
// a process is no such measure: whoever overwrites a part of a file is charged for the whole folio of the page cache
// that the part lies in, which may be a megabyte, while 4 KiB of it are written.
func deviceWritten(dir string) (int64, error) {
	var s unix.Stat_t
	if err := unix.Stat(dir, &s); err != nil {
		return 0, fmt.Errorf("bench: the disk of %s: %w", dir, err)
	}
	path := fmt.Sprintf("/sys/dev/block/%d:%d/stat", unix.Major(s.Dev), unix.Minor(s.Dev))
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return 0, nil // tmpfs and the like have no disk
	}
	if err != nil {
		return 0, fmt.Errorf("bench: the disk of %s: %w", dir, err)
	}
	const sectorsWritten = 6
	f := strings.Fields(string(text))
	if len(f) <= sectorsWritten {
		return 0, fmt.Errorf("bench: the disk of %s: %s holds %q", dir, path, text)
	}
	n, err := strconv.ParseInt(f[sectorsWritten], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("bench: the disk of %s: %s: %w", dir, path, err)
	}
	return n * sectorBytes, nil
}
