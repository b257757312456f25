//go:build !failpoints

package failpoint

// Hit does nothing: the program was not built with the tag failpoints.
func Hit(Point) {}
