// Package recordio is how records look on the command line: the words and % templates of --format, for reading and for
// writing, the json lines, and --grep.
//
// It turns bytes into records and records into bytes, one at a time and in bounded memory; it does not know where they
// go. Input and output are symmetric: what consume writes with json or a template, produce reads back with the same
// one. It may import client, for its Record.
package recordio
