// Package faultfs is a volatile file system over a real directory: what was not synced lives in this process alone, so
// that SIGKILL of the process is a power loss. Test builds of the broker (build tag faultfs) run their store on it.
//
// What is written stays in memory, page by page, until Sync or SyncData of that file writes it down; what is created,
// renamed, linked or removed stays in memory until Sync of that directory does. A file that was synced but whose name
// was not is gone after the power loss, as POSIX allows. Optionally a share of the unsynced pages is written down at
// random (Options.Writeback), as a kernel's background writer would, which leaves torn writes and holes behind.
// Further knobs make the disk lie, fail, fill up or stall.
//
// It is not a simulator of one file system: ext4 promises more in some places. Creation of a directory is durable at
// once. Only tests and test builds may import it; it imports Pebble's vfs, whose FS it is.
package faultfs
