//go:build race

package wire

// raceEnabled: memory is not what it is without the race detector.
const raceEnabled = true
