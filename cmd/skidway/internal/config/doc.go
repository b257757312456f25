// Package config reads the settings of `skidway serve`: the table of keys, and the four places a value may come from,
// flag over SKIDWAY_* variable over file over default.
//
// A key is one row of Keys; its flag, its variable, its line in the file that `config init` writes and its check all
// follow from the row, so that none of them can be forgotten. Unknown keys and bad values are failures (E201, E202)
// that name where they stand; all of them are reported at once.
//
// The package decides nothing about what a setting means: ranges and combinations are the broker's to judge. It may
// import units, kv and metadata for the words that they accept, and the command line's failure.
package config
